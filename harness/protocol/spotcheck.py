"""Asking again: an answer that changed during training is found there too.

The properties ask everything twice, and end before the training begins. A candidate could wait: by counting its
calls, or until `progress` says that it is being trained with. So every so often an earlier batch is asked once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from harness.core.errors import CandidateFault
from harness.protocol.rules import ANSWERS_CHANGED

if TYPE_CHECKING:
    from harness.protocol.batch import Answer, Batch

#: How often an earlier batch is asked again, in calls.
EVERY = 50
#: Relative difference that two answers of a GPU to one batch may have, in float32.
GPU_TOLERANCE = 1e-4


class Answering(Protocol):
    """Whatever answers a batch: an oracle, a subject, or the connection to the one who has them."""

    def answer(self, batch: Batch, /) -> Answer:
        """Values and gradients of one batch."""


class Rechecking:
    """Hands questions on, and every `every` calls asks an earlier one again; 0 never does.

    Raises CandidateFault where its answer is another one by then: to the bit, or by more than `tolerance` (relative
    to the largest number of the answer) where a GPU answers. The batch that is remembered changes with each check,
    so that each stretch of the training is held against a later one.
    """

    def __init__(self, inner: Answering, *, every: int = EVERY, tolerance: float = 0.0) -> None:
        if every < 0 or not tolerance >= 0.0:
            raise ValueError("neither the distance between checks nor the tolerance can be negative")
        self._inner, self._every, self._tolerance = inner, every, tolerance
        self._kept: tuple[int, Batch, Answer] | None = None
        self.calls = 0
        self.checks = 0

    def answer(self, batch: Batch) -> Answer:
        """Ask for one batch."""
        got = self._inner.answer(batch)
        self.calls += 1
        if not self._every:
            return got
        if self._kept is None:
            self._kept = (self.calls, batch, got)
        elif self.calls - self._kept[0] >= self._every:
            self._recheck(*self._kept)
            self._kept = (self.calls, batch, got)
        return got

    def finish(self) -> None:
        """Check a last time, however few calls there were since: no stretch at the end goes unseen."""
        if self._every and self._kept is not None:
            self._recheck(*self._kept)
            self._kept = None

    def _recheck(self, number: int, batch: Batch, before: Answer) -> None:
        self.checks += 1
        after = self._inner.answer(batch)
        if not same(before, after, self._tolerance):
            raise changed(number, batch, before, after, f"{self.calls - number} calls later")


def changed(number: int, batch: Batch, before: Answer, after: Answer, when: str) -> CandidateFault:
    """The fault of an answer to the `number`th batch of a training that was another one when it was asked again."""
    return CandidateFault(
        ANSWERS_CHANGED.finding(
            f"its answer to batch {number} of the training was another one {when}",
            counterexample={**batch.as_counterexample(), "before": before.mean, "after": after.mean},
        )
    )


def same(one: Answer, other: Answer, tolerance: float = 0.0) -> bool:
    """Whether two answers agree: to the bit, or within `tolerance` of the largest finite number of the vector."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    pairs = zip((one.values, *one.gradients), (other.values, *other.gradients), strict=True)
    return all(a.tobytes() == b.tobytes() or (tolerance > 0.0 and _near(a, b, tolerance)) for a, b in pairs)


def _near(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    finite = np.isfinite(a)
    if not np.array_equal(finite, np.isfinite(b)) or not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return False
    left, right = a[finite].astype(np.float64), b[finite].astype(np.float64)
    scale = max(float(np.abs(left).max(initial=0.0)), 1e-30)
    return bool((np.abs(left - right) <= tolerance * scale).all())
