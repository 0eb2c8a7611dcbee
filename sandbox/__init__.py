"""The untrusted side: everything that shares a container with a candidate.

Covered: loading torch, forking, running a candidate on batches, answering in raw numbers.
Not covered: any judgement. Nothing in here holds a verdict, an expected value, a secret or data, and
whatever comes out of here is treated by the host as written by the candidate.
Standard library and torch only; imports nothing of `harness`.
"""
