"""P411: the inputs come back as they went in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.classification.strategies import classes, free_sizes, labelled, seeds
from harness.property_tests.common.same import inputs_unchanged

if TYPE_CHECKING:
    from harness.subject.classification.classifier import Classifier

RULE = Rule(
    id="P411",
    name="labelled-pure",
    severity=Severity.ERROR,
    summary="The loss leaves logits and targets as they are.",
    why=(
        "The trainer uses the same tensors again, for the accuracy and for other terms of the loss. A change in "
        "place corrupts them silently, and PyTorch's own version counter does not notice all of them."
    ),
    fix="Use the operation without the trailing underscore: it returns a new tensor.",
    before="logits.sub_(logits.max())",
    after="logits = logits - logits.max()",
    introduced_in="classification-2026.1",
)


@settings(max_examples=15)
@given(size=free_sizes, count=classes, seed=seeds)
def test_inputs_are_unchanged(candidate: Classifier, size: int, count: int, seed: int) -> None:
    """Logits and targets are compared as bytes after the call."""
    inputs_unchanged(candidate, RULE, [labelled(candidate, size, count, seed)])
