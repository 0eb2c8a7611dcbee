"""The rungs that train: data kept once, a trainer that asks the oracle, a scorer that never meets the candidate."""

from __future__ import annotations

from harness.ladder.training.rung import KINDS, Asked, Trainings

__all__ = ["KINDS", "Asked", "Trainings"]
