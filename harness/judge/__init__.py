"""The judges: they ask the oracle for numbers and decide. Nothing in here meets the candidate's code."""
