"""P412: examples have no order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.classification.strategies import classes, labelled, seeds

if TYPE_CHECKING:
    from harness.subject.classification.classifier import Classifier

RULE = Rule(
    id="P412",
    name="example-permutation",
    severity=Severity.ERROR,
    summary="Reordering the examples of a batch reorders values and gradients, and changes nothing else.",
    why=(
        "The order of examples in a batch is chance. Statistics of the whole batch are fine; a weight by position is "
        "not, nor is a value that sits beside another example."
    ),
    fix="Compute each example's value from that example and from symmetric statistics.",
    before="return losses * torch.linspace(0, 1, len(losses))",
    after="return losses",
    introduced_in="classification-2026.1",
)

#: Relative tolerance for sums in another order.
TOLERANCE = {np.float64: 1e-7, np.float32: 1e-3}
#: For an example, what is smaller is the rest of a subtraction: a probability of nearly one, less one.
NEGLIGIBLE = 1e-2


@given(
    size=st.sampled_from((2, 3, 7, 19, 64)),
    count=classes,
    seed=seeds,
    reach=st.sampled_from((4.0, 20.0)),
    dtype=st.sampled_from((np.float64, np.float32)),
)
def test_reordering_reorders(
    oracle: Classifier, size: int, count: int, seed: int, reach: float, dtype: type[np.floating]
) -> None:
    """One batch in its own and in another order."""
    batch = labelled(oracle, size, count, seed, reach=reach, grid=0, dtype=dtype)
    order = np.random.Generator(np.random.PCG64([seed, 77])).permutation(batch.examples)
    first, second = oracle.marks([batch, batch.take(order)])
    values = first.values if first.reduced else first.values[order]
    for name, one, other in (
        ("values", values, second.values),
        ("gradients", first.gradient[order], second.gradient),
    ):
        scale = max(float(np.abs(one).max()), float(np.abs(other).max()), NEGLIGIBLE / batch.examples)
        if np.isfinite(scale) and float(np.abs(one - other).max()) > TOLERANCE[dtype] * scale:
            message = f"its {name} do not follow the examples when they are reordered"
            raise oracle.wrong(RULE, message, batch, order=[int(i) for i in order])
