"""P413: classes have no order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.classification.strategies import classes, labelled, seeds
from harness.property_tests.common.rows import columns_have_no_order

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
    other, negligible = batch.renamed(order), NEGLIGIBLE / batch.examples
    columns_have_no_order(candidate, RULE, batch, other, order, when="the classes are renamed", negligible=negligible)
