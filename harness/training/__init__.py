"""The rungs that train: data kept once, a trainer that asks the oracle, a scorer that never meets the candidate."""

from __future__ import annotations

from harness.training.rung import KINDS, OpenCandidate, TrainingService

__all__ = ["KINDS", "OpenCandidate", "TrainingService"]
