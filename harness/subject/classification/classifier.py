"""A candidate for classification as its properties see it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np

from harness.protocol.batch_types import LabelledBatch
from harness.subject.classification.rules import SHAPE
from harness.subject.subject import LARGEST, Subject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.core.rules import Rule
    from harness.protocol.batch import Batch

#: Classes of batches as training has them.
_TRAINED_CLASSES = (2, 10, 5, 100, 10)
#: Classes of the probe for the smallest batch.
_PROBED_CLASSES = 5
#: Classes, sizes of logits, and most logits of a batch, at which functions are told apart.
_CLASSES = (2, 3, 5, 10, 10, 62, 100, 1000)
_SCALES = (0.05, 0.7, 2.0, 3.1, 10.0, 60.0, 1000.0)
_MOST_LOGITS = 1 << 12


class Classifier(Subject):
    """One candidate under judgement. Batch sizes are in examples."""

    shape_rule: ClassVar[Rule] = SHAPE

    def for_batch(self, batch: Batch) -> str:
        """By the shape of its logits."""
        return batch.where

    def is_inside(self, batch: Batch) -> bool:
        """Whether no logit is beyond the domain's reach."""
        return float(np.abs(cast("LabelledBatch", batch).logits).max()) <= self.domain.reach

    def distinct(self, count: int) -> Sequence[LabelledBatch]:
        """So many small batches, no two alike: for calls that only have to be made."""
        return [self._drawn(self.smallest_batch, 2 + place % 9, place) for place in range(count)]

    def unasked(self, count: int) -> list[LabelledBatch]:
        """Batches as training has them that no property asks."""
        return [
            self._drawn(self.size(1 << place % 8), _TRAINED_CLASSES[place % len(_TRAINED_CLASSES)], ~place)
            for place in range(count)
        ]

    def large(self) -> LabelledBatch:
        """A batch far larger than those."""
        return self._drawn(self.size(512), 10, 0)

    def probe(self, size: int) -> LabelledBatch:
        """The batch of so many examples that is asked to find the smallest one."""
        draw = np.random.Generator(np.random.PCG64([20260102, size]))
        logits = (draw.integers(-32, 33, size=(size, _PROBED_CLASSES)) / 16).astype(np.float32)
        return LabelledBatch(logits, draw.integers(_PROBED_CLASSES, size=size))

    def _drawn(self, examples: int, classes: int, seed: int) -> LabelledBatch:
        draw = np.random.Generator(np.random.PCG64([20261128, seed & 0xFFFFFFFF]))
        logits = draw.normal(draw.uniform(-2.0, 2.0), draw.uniform(0.5, 4.0), size=(examples, classes))
        return LabelledBatch(logits.astype(np.float32), draw.integers(classes, size=examples))

    def questions(
        self, draw: np.random.Generator, count: int, *, least: int = 1, largest: int = LARGEST
    ) -> list[LabelledBatch]:
        """What is asked to tell this function from others, in examples: two to a thousand classes, at every scale."""
        out = []
        for number in range(count):
            examples = int(math.exp(draw.uniform(0.0, math.log(largest + 1))))
            classes = int(draw.choice(_CLASSES))
            examples = max(least, min(examples, max(1, _MOST_LOGITS // classes)))
            scale, offset = draw.choice(_SCALES), draw.choice((0.0, 0.0, 1.0)) * 30.0 * draw.normal()
            dtype = np.float64 if number % 3 == 0 else np.float32
            logits = (scale * draw.normal(size=(examples, classes)) + offset).astype(dtype)
            out.append(LabelledBatch(logits, draw.integers(classes, size=examples)))
        return out
