"""Labelled batches and what was answered to them, and how both are written as pairs for the wire."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from harness.protocol.batch import Batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.core.verdict import Json
    from harness.protocol.batch import Answer, Vector

    Matrix = NDArray[np.floating]
    Classes = NDArray[np.int64]

#: Largest batch whose numbers stand in a finding, in logits.
SHOWN = 24


@dataclass(frozen=True, eq=False)
class Labelled:
    """N examples: logits of shape (N, C), float32 or float64, C >= 2; the right classes, shape (N,), int64."""

    logits: Matrix
    targets: Classes

    def __post_init__(self) -> None:
        """Refuse what is no labelled batch: that is the caller's mistake."""
        if self.logits.ndim != 2 or self.logits.shape[1] < 2 or self.targets.shape != self.logits.shape[:1]:
            raise ValueError("logits have the shape (N, C) with C of 2 or more, and targets the shape (N,)")
        if self.targets.size and not (self.targets.min() >= 0 and self.targets.max() < self.classes):
            raise ValueError("a target is one of the classes")

    @property
    def examples(self) -> int:
        """Number of examples N."""
        return int(self.logits.shape[0])

    @property
    def classes(self) -> int:
        """Number of classes C."""
        return int(self.logits.shape[1])

    @cached_property
    def pairs(self) -> Batch:
        """As N C pairs: the logits, zeros, the right class of each example C times, and C everywhere."""
        logits = self.logits.reshape(-1)
        ones = np.ones_like(logits)
        targets = np.repeat(self.targets, self.classes).astype(logits.dtype)
        vectors = (logits, np.zeros_like(logits), targets, self.classes * ones, ones, ones)
        return Batch.of(vectors, beta=1.0)

    @classmethod
    def of_pairs(cls, batch: Batch) -> Labelled:
        """The labelled batch that was written as these pairs."""
        classes = int(batch.reference_rejected[0])
        targets = batch.reference_chosen.reshape(-1, classes)[:, 0]
        return cls(batch.policy_chosen.reshape(-1, classes), targets.astype(np.int64))

    def astype(self, dtype: type[np.floating]) -> Labelled:
        """The same numbers in another dtype."""
        return replace(self, logits=self.logits.astype(dtype))

    def take(self, index: Classes | Sequence[int]) -> Labelled:
        """The examples at `index`, in that order."""
        return Labelled(self.logits[index], self.targets[index])

    def moved(self, by: Matrix | float) -> Labelled:
        """The logits moved by `by`, shape (N, C) or a number."""
        return replace(self, logits=(self.logits + by).astype(self.logits.dtype))

    def renamed(self, order: Classes) -> Labelled:
        """The classes in another order, shape (C,): column `order[k]` becomes column k, and targets follow."""
        return Labelled(self.logits[:, order], np.argsort(order)[self.targets])

    def as_counterexample(self) -> dict[str, Json]:
        """The numbers that a person can paste; of a large batch only its size."""
        if self.logits.size > SHOWN:
            return {"examples": self.examples, "classes": self.classes}
        return {
            "logits": [[float(x) for x in row] for row in self.logits],
            "targets": [int(t) for t in self.targets],
        }


@dataclass(frozen=True)
class Marks:
    """What the candidate answered to a labelled batch.

    `values` has shape (N,), or (1,) where `reduced`; `gradient`, shape (N, C), is that of their mean. `detached` says
    that the output does not depend on the logits at all.
    """

    reduced: bool
    values: Vector
    gradient: Matrix
    detached: bool

    @classmethod
    def of_answer(cls, answer: Answer, batch: Labelled) -> Marks | None:
        """Read an answer to `batch.pairs`; None where it is none to a labelled batch."""
        reduced, values = answer.shape == (), answer.values
        if not reduced:
            if answer.shape != (batch.logits.size,):
                return None
            table = values.reshape(batch.logits.shape)
            values = table[:, 0].copy()
            # Our own lines repeat an example's value; where they do not any more, somebody has changed them.
            if np.repeat(values, batch.classes).tobytes() != answer.values.tobytes():
                return None
        return cls(reduced, values, answer.grad_chosen.reshape(batch.logits.shape), answer.detached)

    @property
    def mean(self) -> float:
        """The mean of the values (the value itself for a scalar)."""
        return float(self.values.astype(np.float64).mean())

    @property
    def finite_values(self) -> bool:
        """Whether every value is finite."""
        return bool(np.isfinite(self.values).all())

    @property
    def finite_gradient(self) -> bool:
        """Whether every gradient is finite."""
        return bool(np.isfinite(self.gradient).all())


def own_shape(answer: Answer) -> tuple[int, ...]:
    """The shape that the candidate gave, where it was wrong: without the dimension that our own lines put in front."""
    return answer.shape[1:] if answer.shape[:1] == (1,) else answer.shape
