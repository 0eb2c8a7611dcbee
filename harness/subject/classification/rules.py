"""The rule that every answer is held to: where it is broken, no answer means anything."""

from __future__ import annotations

from harness.core.rules import Rule
from harness.core.verdict import Severity

SHAPE = Rule(
    id="P401",
    name="labelled-output-shape",
    severity=Severity.ERROR,
    summary="A loss for classification returns N values for N examples, or a single one, for every size.",
    why=(
        "The trainer averages the values and goes back through them. A value for each logit, or for each pair of "
        "examples, is averaged just as silently; a size that only fits one batch fails in the last, shorter batch."
    ),
    fix="Return a tensor of shape (N,), one value for each example, or reduce it to a scalar yourself.",
    before="return (torch.softmax(logits, dim=1) - one_hot) ** 2",
    after="return ((torch.softmax(logits, dim=1) - one_hot) ** 2).sum(dim=1)",
    introduced_in="classification-2026.1",
)
