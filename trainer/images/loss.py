"""The oracle as a loss of logits and targets, over the one that there is for preference pairs.

The same translation as the host's (`harness.subject.classification.batch`): N examples of C classes are N C pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from harness.protocol.batch import MAX_PAIRS
from harness.protocol.job import StepError

if TYPE_CHECKING:
    from harness.trainer.tasks import PairLoss


class ClassLoss:
    """`loss(logits, targets)` over whatever answers for pairs. `smallest` is in examples."""

    def __init__(self, pairs: PairLoss) -> None:
        self._pairs = pairs
        self.smallest = pairs.smallest

    def __call__(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean loss, a float32 scalar on which `backward()` works: logits (N, C), targets (N,), whole numbers.

        Raises StepError for what cannot be asked.
        """
        if logits.ndim != 2 or targets.shape != logits.shape[:1] or not self.smallest <= len(targets):
            raise StepError(
                f"logits {tuple(logits.shape)} and targets {tuple(targets.shape)} are no batch for this loss"
            )
        examples, classes = logits.shape
        if examples * classes > MAX_PAIRS:
            raise StepError(
                f"{examples} examples of {classes} classes are more than {MAX_PAIRS} logits",
                fault="user",
                remedy="lower the setting `batch`",
            )
        flat = logits.reshape(-1)
        right = targets.to(flat.dtype).repeat_interleave(classes)
        count = torch.full_like(right, classes)
        # Beta, lengths and progress as the judges have them: whoever looks past our lines learns nothing of training.
        return self._pairs(flat, torch.zeros_like(right), right, count, 1.0)
