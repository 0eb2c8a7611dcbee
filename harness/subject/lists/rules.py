"""The rule that every answer is held to: where it is broken, no answer means anything."""

from __future__ import annotations

from harness.core.rules import Rule
from harness.core.verdict import Severity

SHAPE = Rule(
    id="P501",
    name="lists-output-shape",
    severity=Severity.ERROR,
    summary="A loss over lists returns B values for B lists, or a single one, for every number of lists and answers.",
    why=(
        "The trainer averages the values and goes back through them. A value for each answer, or for each pair of "
        "them, is averaged just as silently, and long lists then weigh more than short ones."
    ),
    fix="Return a tensor of shape (B,), one value for each list, or reduce it to a scalar yourself.",
    before="return F.softplus(-margins)",
    after="return F.softplus(-margins).mean(dim=(1, 2))",
    introduced_in="lists-2026.1",
)
