"""P503: finite gradients in the operating domain."""

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
    id="P503",
    name="lists-finite-gradient",
    severity=Severity.ERROR,
    summary="Every gradient is finite for beta from 0.025 to 1 and log-ratios of a list up to 50 / beta apart.",
    why=(
        "A value can be finite where its gradient is not: both branches of torch.where are differentiated, and a "
        "product of zero and infinity on the way back is NaN. One such gradient makes every weight NaN."
    ),
    fix="Keep roots, logs and powers away from zero, and select before computing.",
    before="return torch.where(p > 0, p * p.log(), 0 * p).sum(dim=1)",
    after="return (log_p.exp() * log_p).sum(dim=1)",
    introduced_in="lists-2026.1",
)


@given(size=sizes, count=free_counts, seed=seeds, reach=reaches)
def test_gradients_are_finite(candidate: ListSubject, size: int, count: int, seed: int, reach: float) -> None:
    """No NaN and no infinity among the gradients."""
    report_not_finite(candidate, RULE, [ranked(candidate, size, count, seed, reach=reach)], True)  # noqa: FBT003 - see there
