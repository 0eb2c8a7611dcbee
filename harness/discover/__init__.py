"""The discovery loop: proposals in, better losses out (algorithm 1 of arXiv 2406.08414, on top of the ladder)."""
