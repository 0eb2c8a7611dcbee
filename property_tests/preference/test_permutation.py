"""P312: pairs have no order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.rows import reordering_reorders
from harness.property_tests.common.strategies import free_betas, free_progresses, many_seeds, seeds
from harness.property_tests.editions import since, until
from harness.subject.batches import natural
from harness.subject.realistic import realistic

if TYPE_CHECKING:
    from harness.subject.preference import PreferenceSubject

RULE = Rule(
    id="P312",
    name="permutation-equivariant",
    severity=Severity.ERROR,
    summary="Reordering the pairs of a batch reorders values and gradients, and changes nothing else.",
    why=(
        "The order of pairs in a batch is chance. Statistics of the whole batch are fine; a weight by position, "
        "or a value that sits beside another pair, is not: filters and metrics would blame the wrong pair."
    ),
    fix="Compute each pair's value from that pair and from symmetric statistics; after a sort, sort back.",
    before="return torch.sort(losses).values",
    after="return losses",
)


@until("2026.1")
@given(
    size=st.one_of(st.sampled_from((2, 3, 7)), st.integers(8, 40), st.sampled_from((64, 130))),
    beta=free_betas,
    seed=seeds,
    reach=st.sampled_from((4.0, 20.0)),
    progress=free_progresses,
    dtype=st.sampled_from((np.float64, np.float32)),
)
def test_reordering_reorders(
    candidate: PreferenceSubject,
    size: int,
    beta: float,
    seed: int,
    reach: float,
    progress: float,
    dtype: type[np.floating],
) -> None:
    """One batch in its own and in another order, in float64; the tolerance is for sums in another order."""
    draw = np.random.Generator(np.random.PCG64(seed))
    pairs = candidate.size(size)
    x = draw.uniform(-reach, reach, size=pairs)
    batch = natural(x, beta, seed=seed, dtype=dtype, progress=progress)
    order = np.roll(np.arange(pairs), 1) if seed % 2 else draw.permutation(pairs)
    reordering_reorders(candidate, RULE, batch, order)


@since("2026.2")
@given(
    seed=many_seeds,
    size=st.one_of(st.sampled_from((2, 3, 7, 64, 256)), st.integers(8, 160)),
    dtype=st.sampled_from((np.float64, np.float32)),
)
def test_reordering_reorders_in_training(
    candidate: PreferenceSubject, seed: int, size: int, dtype: type[np.float32 | np.float64]
) -> None:
    """A realistic batch in its own order and in another, as above."""
    batch = realistic(seed, candidate.size(size), domain=candidate.domain).astype(dtype)
    draw = np.random.Generator(np.random.PCG64([seed, 33]))
    order = np.roll(np.arange(batch.pairs), 1) if seed % 2 else draw.permutation(batch.pairs)
    reordering_reorders(candidate, RULE, batch, order)
