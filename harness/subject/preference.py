"""A candidate for preference pairs as its properties see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np

from harness.subject import life
from harness.subject.batches import batch_of
from harness.subject.questions import questions
from harness.subject.rules import SHAPE
from harness.subject.subject import LARGEST, Subject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.core.rules import Rule
    from harness.protocol.batch import Batch
    from harness.protocol.batch_types import PairBatch

#: The deepest log-probability at which every loss has to be finite, in nats: P313's deepest, and a drift.
_DEEPEST = -8000.0
_PROBE_RHO = np.array([0.75, -1.5, 2.25, -0.5, 1.125, -3.0, 0.25, -2.0] * 8)


class PreferenceSubject(Subject):
    """One candidate under judgement. Batch sizes are in pairs."""

    shape_rule: ClassVar[Rule] = SHAPE

    def fill(self, rho: np.ndarray | list[float]) -> np.ndarray:
        """The margins, repeated until they make a batch that this loss can work with."""
        array = np.atleast_1d(np.asarray(rho, dtype=np.float64))
        return np.resize(array, max(array.size, self.smallest_batch))

    def questions(
        self, draw: np.random.Generator, count: int, *, least: int = 1, largest: int = LARGEST
    ) -> list[PairBatch]:
        """What is asked to tell this function from others; see `harness.subject.questions`."""
        return questions(draw, count, least=least, largest=largest)

    def is_inside(self, batch: Batch) -> bool:
        """Whether beta, margins and log-probabilities are the domain's."""
        asked = cast("PairBatch", batch)
        low, high = self.domain.ends
        logps = np.stack(asked.tensors[:4])
        near = np.abs(asked.beta * asked.rho).max() <= self.domain.reach
        return bool(low <= asked.beta <= high and near and logps.max() <= 0.0 and logps.min() >= _DEEPEST)

    def distinct(self, count: int) -> Sequence[PairBatch]:
        """So many small batches, no two alike."""
        return life.distinct(count, self.smallest_batch, self.domain)

    def unasked(self, count: int) -> list[PairBatch]:
        """Batches as training has them that no property asks."""
        return life.unasked(count, self.smallest_batch, self.domain)

    def large(self) -> PairBatch:
        """A batch far larger than those."""
        return life.large(self.smallest_batch, self.domain)

    def probe(self, size: int) -> PairBatch:
        """Margins of both signs at the usual beta."""
        return batch_of(_PROBE_RHO[:size], self.domain.usual, seed=size)
