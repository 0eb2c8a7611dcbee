"""P412: examples have no order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.classification.strategies import classes, labelled, seeds
from harness.property_tests.common.rows import reordering_reorders

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
    candidate: Classifier, size: int, count: int, seed: int, reach: float, dtype: type[np.floating]
) -> None:
    """One batch in its own and in another order."""
    batch = labelled(candidate, size, count, seed, reach=reach, grid=0, dtype=dtype)
    order = np.random.Generator(np.random.PCG64([seed, 77])).permutation(batch.examples)
    reordering_reorders(candidate, RULE, batch, order, negligible=NEGLIGIBLE / batch.examples)
