"""P502: finite values in the operating domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.finite import report_not_finite
from harness.property_tests.common.strategies import seeds, sizes
from harness.property_tests.lists.strategies import free_counts, ranked, reaches

if TYPE_CHECKING:
    from harness.subject.lists.list_subject import ListSubject

RULE = Rule(
    id="P502",
    name="lists-finite-value",
    severity=Severity.ERROR,
    summary="Every value is finite for beta from 0.025 to 1 and log-ratios of a list up to 50 / beta apart.",
    why=(
        "One NaN or infinity in one batch ends a training run. Log-probabilities are sums over hundreds of tokens, "
        "so that a choice among answers is often certain, and a probability exactly zero in float32."
    ),
    fix="Replace log(softmax), exp and division by forms that stay finite: F.log_softmax, F.softplus, torch.logsumexp.",
    before="return (p * torch.log(p / q)).sum(dim=1)",
    after="return (log_p.exp() * (log_p - log_q)).sum(dim=1)",
    introduced_in="lists-2026.1",
)


@given(size=sizes, count=free_counts, seed=seeds, reach=reaches)
def test_values_are_finite(candidate: ListSubject, size: int, count: int, seed: int, reach: float) -> None:
    """No NaN and no infinity among the values."""
    report_not_finite(candidate, RULE, [ranked(candidate, size, count, seed, reach=reach)], False)  # noqa: FBT003 - see there
