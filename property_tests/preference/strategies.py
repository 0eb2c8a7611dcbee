"""Batches of preference pairs as Hypothesis draws them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from harness.property_tests.common.strategies import (
    domain_judged,
    fit_reach,
    many_seeds,
    progresses,
    seeds,
    sizes,
    sweep,
    train_sizes,
)
from harness.subject.batches import batch_of
from harness.subject.realistic import realistic

if TYPE_CHECKING:
    from harness.protocol.batch_types import PairBatch


@st.composite
def domain_batches(draw: st.DrawFn, *, reach: float = 50.0, pairs: st.SearchStrategy[int] = sizes) -> PairBatch:
    """A batch of the operating domain: |beta rho| <= reach; one margin is drawn, the rest spread around it."""
    size, beta = draw(pairs), draw(sweep)
    limit = int(fit_reach(reach) / beta * 16)
    first = draw(st.integers(-limit, limit)) / 16
    seed = draw(seeds)
    spread = np.random.Generator(np.random.PCG64(seed)).integers(-limit, limit + 1, size=size) / 16
    spread[0] = first
    return batch_of(spread, beta, seed=seed, progress=draw(progresses))


@st.composite
def training_batches(draw: st.DrawFn, *, pairs: st.SearchStrategy[int] = train_sizes) -> PairBatch:
    """A batch as training asks for it (`harness.subject.realistic`), at any beta and progress of the domain."""
    return realistic(draw(many_seeds), draw(pairs), domain=domain_judged())
