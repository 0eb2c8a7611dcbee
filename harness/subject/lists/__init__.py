"""The contract of lists of K answers with scores: what a candidate is asked, and what is told of an accepted one."""
