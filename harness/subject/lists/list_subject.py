"""A candidate for lists of answers as its properties see it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np

from harness.protocol.batch import MAX_NUMBERS
from harness.subject.lists.drawing import HIGHEST, lists_of
from harness.subject.lists.rules import SHAPE
from harness.subject.subject import LARGEST, Subject

if TYPE_CHECKING:
    from harness.core.rules import Rule
    from harness.protocol.batch import Batch
    from harness.protocol.batch_types import ListBatch

#: The deepest log-probability at which every loss has to be finite, in nats.
_DEEPEST = -8000.0
#: Answers of lists as training has them, and those of the probe for the smallest batch.
_TRAINED = (4, 2, 8, 16, 5)
_PROBED = 4
_SEED = 20261129
#: Answers, and |beta times a difference of log-ratios|, at which functions are told apart.
_ANSWERS = (2, 3, 4, 4, 8, 16, 32)
_REACHES = (0.05, 0.7, 2.0, 3.1, 10.0, 40.0, 200.0)
_BETAS = (0.01, 0.025, 0.05, 0.1, 0.1, 0.25, 0.5, 1.0)
_MOST = 1 << 12


class ListSubject(Subject):
    """One candidate under judgement. Batch sizes are in lists."""

    shape_rule: ClassVar[Rule] = SHAPE

    def for_batch(self, batch: Batch) -> str:
        """By its lists and answers."""
        return batch.where.replace("on ", "for ", 1)

    def is_inside(self, batch: Batch) -> bool:
        """Whether beta, log-ratios, log-probabilities and scores are the domain's."""
        asked = cast("ListBatch", batch)
        low, high = self.domain.ends
        logps = np.stack([asked.policy_logps, asked.reference_logps])
        near = asked.beta * np.ptp(asked.logratios, axis=1).max() <= self.domain.reach
        fits = logps.max() <= 0.0 and logps.min() >= _DEEPEST and np.abs(asked.scores).max() <= HIGHEST
        return bool(low <= asked.beta <= high and near and fits)

    def distinct(self, count: int) -> list[ListBatch]:
        """So many small batches, no two alike."""
        return [self._drawn(self.smallest_batch, 2 + place % 7, place) for place in range(count)]

    def unasked(self, count: int) -> list[ListBatch]:
        """Batches as training has them that no property asks."""
        return [
            self._drawn(self.size(1 << place % 8), _TRAINED[place % len(_TRAINED)], ~place) for place in range(count)
        ]

    def large(self) -> ListBatch:
        """A batch far larger than those."""
        return self._drawn(self.size(512), 8, 0)

    def probe(self, size: int) -> ListBatch:
        """Lists of four answers at the usual beta."""
        draw = np.random.Generator(np.random.PCG64([_SEED, size]))
        return lists_of(draw, size, _PROBED, self.domain.usual, reach=4.0)

    def _drawn(self, lists: int, answers: int, seed: int) -> ListBatch:
        draw = np.random.Generator(np.random.PCG64([_SEED, seed & 0xFFFFFFFF]))
        beta = float(draw.choice(self.domain.betas))
        return lists_of(draw, lists, answers, beta, reach=draw.uniform(0.5, 8.0), grid=False)

    def questions(
        self, draw: np.random.Generator, count: int, *, least: int = 1, largest: int = LARGEST
    ) -> list[ListBatch]:
        """What is asked to tell this function from others: two to 32 answers, at every scale and beta."""
        out = []
        for number in range(count):
            lists = int(math.exp(draw.uniform(0.0, math.log(largest + 1))))
            answers = int(draw.choice(_ANSWERS))
            lists = max(least, min(lists, max(1, _MOST // answers), MAX_NUMBERS // answers))
            reach, beta = float(draw.choice(_REACHES)), float(draw.choice(_BETAS))
            dtype = np.float64 if number % 3 == 0 else np.float32
            out.append(lists_of(draw, lists, answers, beta, reach=reach, grid=False, dtype=dtype))
        return out
