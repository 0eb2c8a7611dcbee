"""The naive harness: pytest, Hypothesis and the candidate in one process, a container for each file."""
