"""Batches for the long life of a candidate: for calls that only have to be made, and what no property asks."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from harness.protocol.batch_types import PairBatch
from harness.subject.realistic import realistic

if TYPE_CHECKING:
    from harness.core.domain import Domain

#: Pairs of the large batch.
LARGE = 1024
_SEED = 20261128
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_GROUPS = 16


@functools.lru_cache(maxsize=4)
def distinct(count: int, size: int, domain: Domain) -> tuple[PairBatch, ...]:
    """So many batches of `size` pairs as training has them, no two alike, for calls that only have to be made."""
    each = -(-count // _GROUPS)
    out: list[PairBatch] = []
    for group in range(_GROUPS):
        whole = realistic(_SEED + group, each * size, domain=domain)
        places = range(0, each * size, size)
        out += [PairBatch.of([v[at : at + size] for v in whole.tensors], whole.beta, whole.progress) for at in places]
    return tuple(out[:count])


def unasked(count: int, smallest: int, domain: Domain) -> list[PairBatch]:
    """So many batches of usual sizes, from `smallest` pairs on."""
    sizes = [max(smallest, _SIZES[place % len(_SIZES)]) for place in range(count)]
    return [realistic(_SEED - 1 - place, size, domain=domain) for place, size in enumerate(sizes)]


def large(smallest: int, domain: Domain) -> PairBatch:
    """One of many pairs."""
    return realistic(_SEED + _GROUPS, max(smallest, LARGE), domain=domain)
