"""P402: finite values in the operating domain."""

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
    id="P402",
    name="labelled-finite-value",
    severity=Severity.ERROR,
    summary="Every value is finite for logits from -100 to 100.",
    why=(
        "One NaN or infinity in one batch ends a training run. Untrained and overconfident networks give logits of "
        "this size, and a probability of a wrong class is then exactly zero in float32."
    ),
    fix="Replace log(softmax), exp and division by forms that stay finite: F.log_softmax, torch.logsumexp, clamp.",
    before="return -torch.log(torch.softmax(logits, dim=1)[rows, targets])",
    after="return -F.log_softmax(logits, dim=1)[rows, targets]",
    introduced_in="classification-2026.1",
)


@given(size=sizes, count=classes, seed=seeds, reach=reaches)
def test_values_are_finite(candidate: Classifier, size: int, count: int, seed: int, reach: float) -> None:
    """No NaN and no infinity among the values."""
    report_not_finite(candidate, RULE, [labelled(candidate, size, count, seed, reach=reach)], False)  # noqa: FBT003 - see there


@since("2026.2")
@given(size=free_sizes, count=free_classes, seed=seeds)
def test_values_are_finite_in_training(candidate: Classifier, size: int, count: int, seed: int) -> None:
    """The same for networks that are sure of themselves."""
    report_not_finite(candidate, RULE, [confident(candidate, size, count, seed)], False)  # noqa: FBT003 - see there
