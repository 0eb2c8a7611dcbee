"""P404: the loss teaches something from the start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.classification.strategies import classes, labelled, seeds
from harness.protocol.batch_types import LabelledBatch

if TYPE_CHECKING:
    from harness.subject.classification.classifier import Classifier

RULE = Rule(
    id="P404",
    name="labelled-start",
    severity=Severity.ERROR,
    summary="Where all logits are about zero, a step down the gradient raises the right class above the others.",
    why=(
        "A fresh network gives logits near zero for every class. A loss that is flat there never begins, and one that "
        "is steep the other way begins with unlearning."
    ),
    fix="Give the loss a slope at zero logits, downwards for the right class.",
    before="return (logits.gather(1, targets[:, None])[:, 0]) ** 2",
    after="return (logits.gather(1, targets[:, None])[:, 0] - 1) ** 2 + others",
    introduced_in="classification-2026.1",
)

#: The slope of one example's value: below this Adam's own epsilon drowns it, above that its square leaves float32.
LEAST, MOST = 1e-6, 1e6


@settings(max_examples=15)
@given(count=classes, seed=seeds, near=st.sampled_from((0.0, 0.01)))
def test_first_step_goes_to_the_right_class(candidate: Classifier, count: int, seed: int, near: float) -> None:
    """Summed over a batch, the right logits rise against the mean of the wrong ones."""
    drawn = labelled(candidate, 8, count, seed, grid=0)
    batch = LabelledBatch((near / 4.0 * drawn.logits).astype(np.float32), drawn.targets)
    told = candidate.answer(batch)
    if not told.finite_gradients:
        return  # another rule's finding
    right = np.arange(count)[None] == batch.targets[:, None]
    gradient = told.gradient.astype(np.float64)
    push = float((gradient[~right].sum() / (count - 1)) - gradient[right].sum())
    if not push >= LEAST or push > MOST:
        how = "too steep" if push > MOST else "flat" if abs(push) < LEAST else "steep the wrong way"
        message = f"it is {how} where all logits are about zero: the right class is pushed up by {push:.3g}"
        raise candidate.broken(RULE, message, batch, push=push)
