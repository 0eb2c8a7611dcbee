"""P413: classes have no order."""

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
    id="P413",
    name="class-permutation",
    severity=Severity.ERROR,
    summary="With the classes renamed, in logits and targets alike, the values stay and the gradients follow.",
    why=(
        "The number of a class is a name. A loss that weighs it, or takes the distance between two of them, is fitted "
        "to one numbering of one data set, and on any other it is another loss."
    ),
    fix="Treat all columns of the logits alike; compare with one_hot(targets), not with the targets as numbers.",
    before="return (logits.softmax(1) @ torch.arange(10.0) - targets) ** 2",
    after="return ((logits.softmax(1) - F.one_hot(targets, logits.shape[1])) ** 2).sum(1)",
    introduced_in="classification-2026.1",
)

#: Relative tolerance for sums in another order.
TOLERANCE = {np.float64: 1e-7, np.float32: 1e-3}
#: For an example, what is smaller is the rest of a subtraction: a probability of nearly one, less one.
NEGLIGIBLE = 1e-2


@given(
    size=st.sampled_from((1, 2, 7, 40)),
    count=classes,
    seed=seeds,
    reach=st.sampled_from((4.0, 20.0)),
    dtype=st.sampled_from((np.float64, np.float32)),
)
def test_renaming_changes_nothing(
    candidate: Classifier, size: int, count: int, seed: int, reach: float, dtype: type[np.floating]
) -> None:
    """Columns of the logits and targets are permuted together."""
    batch = labelled(candidate, size, count, seed, reach=reach, grid=0, dtype=dtype)
    order = np.roll(np.arange(count), 1)
    if seed % 2:
        order = np.random.Generator(np.random.PCG64([seed, 78])).permutation(count)
    first, second = candidate.answers([batch, batch.renamed(order)])
    for name, one, other in (
        ("values change", first.values, second.values),
        ("gradients do not follow", first.gradient[:, order], second.gradient),
    ):
        scale = max(float(np.abs(one).max()), float(np.abs(other).max()), NEGLIGIBLE / batch.examples)
        if np.isfinite(scale) and float(np.abs(one - other).max()) > TOLERANCE[dtype] * scale:
            message = f"its {name} when the classes are renamed"
            raise candidate.broken(RULE, message, batch, order=[int(i) for i in order])
