"""P312: pairs have no order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.batches import batch_of
from harness.rules import Rule
from harness.verdict import Severity
from property_tests.strategies import betas, seeds

if TYPE_CHECKING:
    from harness.judge.subject import Subject

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


@given(size=st.sampled_from((2, 3, 7)), beta=betas, seed=seeds)
def test_reordering_reorders(oracle: Subject, size: int, beta: float, seed: int) -> None:
    """One batch in its own and in another order, in float64; the tolerance is for sums in another order."""
    draw = np.random.Generator(np.random.PCG64(seed))
    pairs = oracle.size(size)
    batch = batch_of(draw.uniform(-4.0, 4.0, size=pairs) / beta, beta, seed=seed, dtype=np.float64)
    order = np.roll(np.arange(pairs), 1) if seed % 2 else draw.permutation(pairs)
    first, second = oracle.answers([batch, batch.take(order)])
    values = first.values if first.shape == () else first.values[order]
    for name, one, other in (
        ("values", values, second.values),
        ("gradients", first.grad_chosen[order], second.grad_chosen),
        ("gradients", first.grad_rejected[order], second.grad_rejected),
    ):
        scale = max(float(np.abs(one).max()), float(np.abs(other).max()))
        if np.isfinite(scale) and float(np.abs(one - other).max()) > 1e-7 * scale:
            message = f"its {name} do not follow the pairs when they are reordered"
            raise oracle.broken(RULE, message, batch, order=[int(i) for i in order])
