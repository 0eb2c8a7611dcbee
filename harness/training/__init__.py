"""The rungs that train: data kept once, a trainer that asks the oracle, a scorer that never meets the candidate."""
