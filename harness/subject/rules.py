"""The rule that every answer is held to: where it is broken, no answer means anything."""

from __future__ import annotations

from harness.core.rules import Rule
from harness.core.verdict import Severity

SHAPE = Rule(
    id="P301",
    name="output-shape",
    severity=Severity.ERROR,
    summary="The loss returns B values for B pairs, or a single one, for every batch size.",
    why=(
        "The trainer averages the values and goes back through them. Values of shape (B, 1), (B, B) or (2B,) "
        "broadcast silently and mix pairs up; a size that only fits one batch fails in the last, shorter batch."
    ),
    fix="Return a tensor of shape (B,), one value for each pair, or reduce it to a scalar yourself.",
    before="return torch.cat([chosen_losses, rejected_losses])",
    after="return (chosen_losses + rejected_losses) / 2",
)
