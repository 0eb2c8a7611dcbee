"""Batches of preference pairs that look like training data, built from a few numbers.

All of it is deterministic: the same arguments give the same bytes on every machine. Log-probabilities
are multiples of 1/1024 where the margins allow it, so that float32 holds them exactly and a person can
paste them.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from harness.protocol.batch_types import PairBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

#: Nats per token that the built completions come to, and the range that is still ordinary text.
NATS_PER_TOKEN = 1.5
LEAST_TOKENS = 4.0


def _lengths(*vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Token counts at which no completion has more than NATS_PER_TOKEN nats per token, at least 4."""
    deepest = -np.minimum.reduce(vectors)
    lengths: NDArray[np.float64] = np.maximum(LEAST_TOKENS, np.ceil(deepest / NATS_PER_TOKEN))
    return lengths


#: Batches of so few pairs are kept.
_FEW = 256
#: So many of them: what the properties ask of one candidate they ask of the next, number by number.
_KEPT = 16384

Maker = Callable[..., PairBatch]


def _kept(make: Maker) -> Maker:
    """Give the batch that the same arguments made before. Nobody can write into it: its arrays refuse that."""
    known: dict[tuple[object, ...], PairBatch] = {}

    @functools.wraps(make)
    def wrapped(values: ArrayLike, beta: float, *rest: object, **named: object) -> PairBatch:
        array = np.atleast_1d(np.asarray(values, dtype=np.float64))
        if array.size > _FEW:
            return make(array, beta, *rest, **named)
        key = (array.tobytes(), beta, rest, *named.items())
        batch = known.get(key)
        if batch is None:
            batch = make(array, beta, *rest, **named)
            for vector in batch.tensors:
                vector.setflags(write=False)
            if len(known) < _KEPT:
                known[key] = batch
        return batch

    return wrapped


@functools.lru_cache(maxsize=1024)
def _draw(seed: int, pairs: int) -> NDArray[np.float64]:
    """Three rows of multiples of 1/1024 in [0, 1), shape (3, B): the same few are asked for again and again."""
    draw: NDArray[np.float64] = np.random.Generator(np.random.PCG64(seed)).integers(0, 1024, size=(3, pairs)) / 1024.0
    draw.setflags(write=False)
    return draw


@_kept
def batch_of(
    rho: ArrayLike,
    beta: float,
    *,
    seed: int = 0,
    dtype: type[np.floating] = np.float32,
    progress: float = 0.5,
) -> PairBatch:
    """Pairs with these margins rho (nats, shape (B,)), and varied log-probabilities around them.

    `seed` varies the references, the split of rho between chosen and rejected, and the lengths.
    """
    margin = np.atleast_1d(np.asarray(rho, dtype=np.float64))
    draw = (_draw if margin.size <= _FEW else _draw.__wrapped__)(seed, margin.size)
    reference_chosen = -20.0 - 60.0 * draw[0]
    reference_rejected = -20.0 - 60.0 * draw[1]
    chosen = np.round(margin * draw[2] * 64) / 64
    policy_chosen, policy_rejected = reference_chosen + chosen, reference_rejected - (margin - chosen)
    # No log-probability may be positive: a pair that would have one moves down as a whole.
    chosen_shift = np.ceil(np.maximum(0.0, policy_chosen + 4.0))
    rejected_shift = np.ceil(np.maximum(0.0, policy_rejected + 4.0))
    vectors = (
        policy_chosen - chosen_shift,
        policy_rejected - rejected_shift,
        reference_chosen - chosen_shift,
        reference_rejected - rejected_shift,
    )
    lengths = (_lengths(vectors[0], vectors[2]), _lengths(vectors[1], vectors[3]))
    return PairBatch.of((v.astype(dtype) for v in (*vectors, *lengths)), beta, progress)


@_kept
def plain(rho: ArrayLike, beta: float, *, dtype: type[np.floating] = np.float32, progress: float = 0.5) -> PairBatch:
    """Pairs whose margin is carried by one log-probability, the others being -1: rho is as exact as can be."""
    margin = np.atleast_1d(np.asarray(rho, dtype=np.float64))
    ones = -np.ones_like(margin)
    chosen, rejected = ones + np.minimum(margin, 0.0), ones - np.maximum(margin, 0.0)
    lengths = np.maximum(LEAST_TOKENS, np.ceil(np.abs(margin) / NATS_PER_TOKEN))
    vectors = (chosen, rejected, ones, ones, lengths, lengths)
    return PairBatch.of((v.astype(dtype) for v in vectors), beta, progress)


def separated(x: float, beta: float, pairs: int, *, progress: float = 0.5) -> PairBatch:
    """Pairs that any loss should call well ordered: equal references and lengths, beta rho near x > 0.

    The policy prefers the chosen completion by its log-probability as well as by its ratio to the
    reference.
    """
    rho = np.ceil(8.0 * x / beta * (1.0 + 0.01 * np.arange(pairs) / pairs)) / 8.0
    lengths = np.maximum(8.0, np.ceil(rho / 4.0))
    reference = -2.25 * lengths
    vectors = (reference + rho / 2, reference - rho / 2, reference, reference, lengths, lengths)
    return PairBatch.of((v.astype(np.float32) for v in vectors), beta, progress)


@_kept
def natural(
    x: ArrayLike,
    beta: float,
    *,
    seed: int,
    dtype: type[np.floating] = np.float32,
    progress: float = 0.5,
) -> PairBatch:
    """Pairs as training has them: beta rho near `x` (shape (B,)), no number on a grid, nothing shared.

    Lengths from 2 to some 1500 tokens, each completion with a nats-per-token figure of its own.
    """
    margin = np.atleast_1d(np.asarray(x, dtype=np.float64)) / beta
    draw = np.random.Generator(np.random.PCG64([seed, 1]))
    lengths = [np.ceil(np.exp(draw.uniform(0.7, 7.3, size=margin.size))) for _ in range(2)]
    reference = [-n * draw.uniform(0.05, 3.0, size=margin.size) for n in lengths]
    share = draw.uniform(0.0, 1.0, size=margin.size) * margin
    policy = [reference[0] + share, reference[1] - (margin - share)]
    # No log-probability may be positive: a completion that would have one moves down as a whole.
    down = [np.maximum(0.0, p + 0.01) * 1.25 for p in policy]
    vectors = [v - d for v, d in zip((*policy, *reference), (*down, *down), strict=True)]
    return PairBatch.of((v.astype(dtype) for v in (*vectors, *lengths)), beta, progress)


@_kept
def clear(
    x: ArrayLike, beta: float, *, seed: int, progress: float = 0.5, dtype: type[np.floating] = np.float32
) -> PairBatch:
    """Like `separated`, and no two pairs alike: beta rho is `x` (shape (B,), positive), on no grid.

    References and lengths differ within a pair, by less than would turn the policy's own margin, or the
    margin per token, the other way.
    """
    margin = np.atleast_1d(np.asarray(x, dtype=np.float64)) / beta
    draw = np.random.Generator(np.random.PCG64([seed, 2]))
    length = np.ceil(np.maximum(8.0, margin / 3.0) * draw.uniform(1.0, 3.0, size=margin.size))
    longer = np.trunc(draw.uniform(-0.1, 0.1, size=margin.size) * np.minimum(margin, length))
    middle = -length * draw.uniform(2.0, 2.5, size=margin.size)
    lean = draw.uniform(-0.125, 0.125, size=margin.size) * margin
    share = draw.uniform(0.3, 0.7, size=margin.size) * margin
    vectors = (middle + lean + share, middle - lean - (margin - share), middle + lean, middle - lean)
    return PairBatch.of((v.astype(dtype) for v in (*vectors, length + longer, length)), beta, progress)


def start_of_training(pairs: int, beta: float, *, seed: int = 0) -> PairBatch:
    """Pairs whose policy is the reference, so that every rho is exactly zero."""
    return batch_of(np.zeros(pairs), beta, seed=seed)


def margins(beta: float, limit: float, *, fine: float = 20.0) -> NDArray[np.float64]:
    """A dense grid of rho with |beta rho| <= limit, in order of |rho|: step 1/16 up to `fine`, 1/4 beyond."""
    edge = math.floor(limit / beta * 4) / 4
    near = np.arange(0.0, min(fine, edge), 1 / 16)
    far = np.arange(min(fine, edge), edge + 1e-9, 1 / 4)
    half = np.concatenate([near, far])
    both = np.empty(2 * half.size - 1)
    both[0::2] = half
    both[1::2] = -half[1:]
    return both


def chunks(values: Sequence[float] | NDArray[np.float64], size: int) -> list[NDArray[np.float64]]:
    """Cut into pieces of `size`; a short rest joins the piece before it."""
    array = np.asarray(values)
    count = max(1, array.size // size)
    edges = [i * size for i in range(count)] + [array.size]
    return [array[a:b] for a, b in itertools.pairwise(edges)]
