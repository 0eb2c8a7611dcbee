"""What checks a candidate: it asks the oracle for numbers and decides. Nothing in here meets the candidate's code."""
