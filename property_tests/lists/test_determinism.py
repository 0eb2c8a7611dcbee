"""P509: the same question, the same answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.same import answered_alike
from harness.property_tests.common.strategies import seeds, sizes
from harness.property_tests.lists.strategies import counts, ranked

if TYPE_CHECKING:
    from harness.subject.lists.list_subject import ListSubject

RULE = Rule(
    id="P509",
    name="lists-deterministic",
    severity=Severity.ERROR,
    summary="The same lists give the same bits, every time.",
    why=("A loss with noise cannot be reproduced, compared on paired seeds, or verified."),
    fix="Remove random numbers, dropout, uninitialised tensors (torch.empty) and anything that counts calls.",
    before="return losses + 0.01 * torch.randn_like(losses)",
    after="return losses",
    introduced_in="lists-2026.1",
)


@given(size=sizes, count=counts, seed=seeds)
def test_same_answer_again(candidate: ListSubject, size: int, count: int, seed: int) -> None:
    """Three times in one request, and once alone as training asks."""
    answered_alike(candidate, RULE, ranked(candidate, size, count, seed), times=3, alone=True)
