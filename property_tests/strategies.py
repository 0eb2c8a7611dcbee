"""What Hypothesis draws: few and simple numbers, so that what it finds shrinks to something to paste."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from harness.judge.batches import batch_of
from harness.judge.domain import Domain

if TYPE_CHECKING:
    from harness.oracle.batch import Batch

DOMAIN = Domain()
#: Batch sizes of the contract.
SIZES = (1, 2, 3, 7, 64)

sizes = st.sampled_from(SIZES)
seeds = st.integers(0, 255)
#: The paper's betas inside the operating domain, the usual one first.
sweep = st.sampled_from(sorted(DOMAIN.betas, key=lambda b: abs(b - 0.1)))
#: Any beta of the operating domain, in thousandths.
betas = st.integers(25, 1000).map(lambda k: k / 1000)
progresses = st.integers(0, 4).map(lambda k: k / 4)
#: The golden ratio's fraction: its multiples spread evenly, however few of them are drawn. Hypothesis prefers
#: small integers, which would otherwise all be one corner of a range.
_GOLDEN = 0.6180339887498949
#: Any progress, any beta of the operating domain and any usual batch size, on no grid.
free_progresses = st.integers(0, 997).map(lambda k: 1.0 if k == 1 else round(k * _GOLDEN % 1.0, 7))
free_betas = st.integers(0, 997).map(lambda k: round(0.025 * 40.0 ** (k * _GOLDEN % 1.0), 7))
free_sizes = st.integers(0, 130).map(lambda k: 1 + 37 * k % 131)


@st.composite
def domain_batches(draw: st.DrawFn, *, reach: float = 50.0, pairs: st.SearchStrategy[int] = sizes) -> Batch:
    """A batch of the operating domain: |beta rho| <= reach; one margin is drawn, the rest spread around it."""
    size, beta = draw(pairs), draw(sweep)
    limit = int(reach / beta * 16)
    first = draw(st.integers(-limit, limit)) / 16
    seed = draw(seeds)
    spread = np.random.Generator(np.random.PCG64(seed)).integers(-limit, limit + 1, size=size) / 16
    spread[0] = first
    return batch_of(spread, beta, seed=seed, progress=draw(progresses))
