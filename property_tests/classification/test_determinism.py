"""P409: the same question, the same answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.classification.strategies import classes, labelled, seeds, sizes
from harness.property_tests.common.same import answered_alike

if TYPE_CHECKING:
    from harness.subject.classification.classifier import Classifier

RULE = Rule(
    id="P409",
    name="labelled-deterministic",
    severity=Severity.ERROR,
    summary="The same labelled batch gives the same bits, every time.",
    why="A loss with noise cannot be reproduced, compared on paired seeds, or verified.",
    fix="Remove random numbers, dropout, uninitialised tensors (torch.empty) and anything that counts calls.",
    before="return losses + 0.01 * torch.randn_like(losses)",
    after="return losses",
    introduced_in="classification-2026.1",
)


@given(size=sizes, count=classes, seed=seeds)
def test_same_answer_again(candidate: Classifier, size: int, count: int, seed: int) -> None:
    """Four times in one request, and once more in the next."""
    answered_alike(candidate, RULE, labelled(candidate, size, count, seed), times=4)
