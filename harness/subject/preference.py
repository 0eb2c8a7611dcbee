"""A candidate for preference pairs as its properties see it, and what it is asked besides their examples.

Questions tell functions from each other: all over what a loss may be asked, and unknown beforehand. For the long life
of a candidate there are batches for calls that only have to be made, and such as no property asks.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np

from harness.protocol.batch_types import PairBatch
from harness.subject.batches import batch_of
from harness.subject.realistic import realistic
from harness.subject.rules import SHAPE
from harness.subject.subject import LARGEST, Subject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.core.domain import Domain
    from harness.core.rules import Rule
    from harness.protocol.batch import Batch

    Array = NDArray[np.float64]

#: The deepest log-probability at which every loss has to be finite, in nats: P313's deepest, and a drift.
_DEEPEST = -8000.0
_PROBE_RHO = np.array([0.75, -1.5, 2.25, -0.5, 1.125, -3.0, 0.25, -2.0] * 8)
#: What runs really have, drawn as often as everything between: a loss that knows them by heart gains nothing.
_BETAS = (0.01, 0.025, 0.05, 0.1, 0.1, 0.25, 0.5, 1.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 64, 128, 256, 512, 1024)
#: Sizes of beta rho, from the first steps of a training to where answers overflow.
_REACHES = (0.05, 0.5, 2.0, 2.0, 8.0, 30.0, 120.0, 1000.0)
#: No margin beyond so many nats: texts of some thousand tokens come to it.
_FARTHEST = 2e4
#: Pairs of the large batch.
LARGE = 1024
_SEED = 20261128
_USUAL_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_GROUPS = 16


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
        """What is asked to tell this function from others; see the function `questions`."""
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
        return distinct_batches(count, self.smallest_batch, self.domain)

    def unasked(self, count: int) -> list[PairBatch]:
        """Batches as training has them that no property asks."""
        sizes = [self.size(_USUAL_SIZES[place % len(_USUAL_SIZES)]) for place in range(count)]
        return [realistic(_SEED - 1 - place, size, domain=self.domain) for place, size in enumerate(sizes)]

    def large(self) -> PairBatch:
        """A batch far larger than those."""
        return realistic(_SEED + _GROUPS, self.size(LARGE), domain=self.domain)

    def probe(self, size: int) -> PairBatch:
        """Margins of both signs at the usual beta."""
        return batch_of(_PROBE_RHO[:size], self.domain.usual, seed=size)


def questions(draw: np.random.Generator, count: int, *, least: int = 1, largest: int = LARGEST) -> list[PairBatch]:
    """Draw batches of preference pairs, of `least` pairs or more, all over what a loss may be asked.

    Betas, progress, sizes, lengths, references, margins and dtypes vary from batch to batch, drifts of chosen and
    rejected independently; two in three are float32, as training's are. One in four comes from the properties' own
    generator, the others go farther than that.
    """
    return [_question(draw, number, least, largest) for number in range(count)]


def _question(draw: np.random.Generator, number: int, least: int, largest: int) -> PairBatch:
    dtype = np.float64 if number % 3 == 0 else np.float32
    pairs = int(_either(draw, [s for s in _SIZES if s <= largest], math.exp(draw.uniform(0.0, math.log(largest + 1)))))
    pairs = max(pairs, least)
    if number % 4 == 3:  # as the properties ask; not kept, as theirs are
        return realistic.draw(int(draw.integers(1 << 62)), pairs, dtype=dtype)
    beta = _either(draw, _BETAS, math.exp(draw.uniform(math.log(0.01), math.log(2.0))))
    progress = _either(draw, (0.0, 1.0), draw.uniform())
    lengths = _token_counts(draw, pairs)
    references = [-n * draw.uniform(0.05, 3.5, size=pairs) for n in lengths]
    if draw.uniform() < 0.2:  # references that do not tell the two apart
        references[1] = references[0] + 0.01 * draw.normal(size=pairs)
    reach = min(float(draw.choice(_REACHES)) / beta, _FARTHEST)
    policies = [r + d for r, d in zip(references, _drifts(draw, pairs, reach), strict=True)]
    # No log-probability may be positive: a completion that would have one moves down as a whole.
    down = [np.maximum(0.0, p + 0.01) * 1.25 for p in policies]
    vectors = [v - d for v, d in zip((*policies, *references), (*down, *down), strict=True)]
    _put_edges(draw, vectors)
    return PairBatch.of((v.astype(dtype) for v in (*vectors, *lengths)), float(beta), float(progress))


def _either(draw: np.random.Generator, known: Sequence[float], drawn: float) -> float:
    """One of what runs really have, or what was drawn."""
    return float(draw.choice(known)) if draw.uniform() < 0.5 else drawn


def _token_counts(draw: np.random.Generator, pairs: int) -> list[Array]:
    """Lengths of chosen and rejected: short, ordinary or long, alike or with nothing in common."""
    low, high = ((0.0, 2.5), (2.0, 5.5), (2.0, 5.5), (4.0, 7.6))[draw.integers(4)]
    chosen, rejected = (np.floor(np.exp(draw.uniform(low, high, size=pairs))) for _ in range(2))
    if draw.uniform() < 0.3:
        rejected = np.maximum(1.0, np.round(chosen * draw.uniform(0.9, 1.1, size=pairs)))
    return [chosen, rejected]


def _drifts(draw: np.random.Generator, pairs: int, reach: float) -> list[Array]:
    """How far the policy has moved from the reference on chosen and on rejected, in nats."""
    kind = draw.integers(5)
    if kind == 0:  # independent of each other
        return [reach * draw.normal(size=pairs) for _ in range(2)]
    margin = reach * draw.uniform(-1.0, 1.0, size=pairs)
    share = draw.uniform(0.0, 1.0, size=pairs)
    drifts = [share * margin, (share - 1.0) * margin]
    if kind < 4:  # both fall, as in most trainings
        fall = np.abs(reach * draw.normal(size=pairs)) + abs(draw.normal())
        drifts = [d - fall for d in drifts]
    return drifts


def _put_edges(draw: np.random.Generator, vectors: list[Array]) -> None:
    """Put pairs into one batch of four that stand at the edges: sure of a completion, a policy that has not moved."""
    if draw.uniform() > 0.25:
        return
    where = draw.integers(vectors[0].size, size=max(1, vectors[0].size // 16))
    kind = draw.integers(3)
    if kind == 0:
        vectors[0][where] = 0.0
    elif kind == 1:
        vectors[0][where], vectors[1][where] = vectors[2][where], vectors[3][where]
    else:
        vectors[1][where], vectors[3][where] = vectors[0][where], vectors[2][where]


@functools.lru_cache(maxsize=4)
def distinct_batches(count: int, size: int, domain: Domain) -> tuple[PairBatch, ...]:
    """So many batches of `size` pairs as training has them, no two alike, for calls that only have to be made."""
    each = -(-count // _GROUPS)
    out: list[PairBatch] = []
    for group in range(_GROUPS):
        whole = realistic(_SEED + group, each * size, domain=domain)
        places = range(0, each * size, size)
        out += [PairBatch.of([v[at : at + size] for v in whole.tensors], whole.beta, whole.progress) for at in places]
    return tuple(out[:count])
