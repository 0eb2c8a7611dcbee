"""P403: finite gradients in the operating domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.classification.strategies import (
    classes,
    confident,
    free_classes,
    free_sizes,
    labelled,
    reaches,
    seeds,
    sizes,
)
from harness.property_tests.common.finite import report_not_finite
from harness.property_tests.editions import since

if TYPE_CHECKING:
    from harness.subject.classification.classifier import Classifier

RULE = Rule(
    id="P403",
    name="labelled-finite-gradient",
    severity=Severity.ERROR,
    summary="Every gradient is finite for logits from -100 to 100.",
    why=(
        "A value can be finite where its gradient is not: sqrt and powers at zero, a product of zero and infinity on "
        "the way back. One such gradient makes every weight NaN."
    ),
    fix="Keep roots, logs and powers away from zero (clamp, a small constant), and select before computing.",
    before="return torch.linalg.vector_norm(torch.softmax(logits, dim=1) - one_hot, dim=1).sqrt()",
    after="return ((torch.softmax(logits, dim=1) - one_hot) ** 2).sum(dim=1)",
    introduced_in="classification-2026.1",
)


@given(size=sizes, count=classes, seed=seeds, reach=reaches)
def test_gradients_are_finite(candidate: Classifier, size: int, count: int, seed: int, reach: float) -> None:
    """No NaN and no infinity among the gradients."""
    report_not_finite(candidate, RULE, [labelled(candidate, size, count, seed, reach=reach)], True)  # noqa: FBT003 - see there


@since("2026.2")
@given(size=free_sizes, count=free_classes, seed=seeds)
def test_gradients_are_finite_in_training(candidate: Classifier, size: int, count: int, seed: int) -> None:
    """The same for networks that are sure of themselves."""
    report_not_finite(candidate, RULE, [confident(candidate, size, count, seed)], True)  # noqa: FBT003 - see there
