"""P511: the inputs come back as they went in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.same import inputs_unchanged
from harness.property_tests.common.strategies import free_sizes, seeds
from harness.property_tests.lists.strategies import counts, ranked

if TYPE_CHECKING:
    from harness.subject.lists.list_subject import ListSubject

RULE = Rule(
    id="P511",
    name="lists-pure",
    severity=Severity.ERROR,
    summary="The loss leaves log-probabilities and scores as they are.",
    why=(
        "The trainer uses the same tensors again, for its metrics and for other terms of the loss. A change in "
        "place spoils those silently."
    ),
    fix="Use the operations without an underscore at the end.",
    before="scores.sub_(scores.mean())",
    after="scores = scores - scores.mean()",
    introduced_in="lists-2026.1",
)


@settings(max_examples=15)
@given(size=free_sizes, count=counts, seed=seeds)
def test_inputs_are_unchanged(candidate: ListSubject, size: int, count: int, seed: int) -> None:
    """All three tensors are compared as bytes after the call."""
    inputs_unchanged(candidate, RULE, [ranked(candidate, size, count, seed)])
