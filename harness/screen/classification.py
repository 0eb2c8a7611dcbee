"""The lines of ours that stand behind a candidate for classification, and call it.

They run in the sandbox, beside the candidate, so nothing trusts them: a candidate that changes them answers with other
numbers, and is judged by those. They use no name but the candidate's own function, which may have taken any other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.core.contract import CallPlan

if TYPE_CHECKING:
    from harness.core.contract import Program

#: Top-level names with a leading underscore are nobody's loss; this one is nobody's helper either.
ENTRY = "_harness_asks_for_classification"

# `.view` and not a copy, so that what the candidate writes into its arguments is seen on the host, by the echo.
# One value for each example is repeated for each class, and weights of 1/(N C) then give the mean over examples. Any
# other shape gets a dimension in front, so that it can be neither of the two that are right.
_TEXT = """
def {entry}(policy, target, count):
    classes = count[0].int().item()
    logits = policy.view(-1, classes)
    columns = target.view(-1, classes)
    targets = columns[:, 0].long()
    out = {function}({arguments})
    columns.copy_(targets.view(-1, 1))
    if out.__class__ is not policy.__class__ or out.ndim == 0:
        return out
    if out.ndim == 1 and out.shape[0] == logits.shape[0]:
        return out.reshape(-1, 1).expand(-1, classes).reshape(-1)
    return out[None]
"""
_PLAN = CallPlan(ENTRY, "function", ("policy_chosen_logps", "reference_chosen_logps", "reference_rejected_logps"))


def adapted(program: Program) -> Program:
    """The program with our lines behind it; they count as no lines of the candidate's."""
    plan = program.plan
    arguments = ", ".join([*plan.positional, *(f"{own}={argument}" for own, argument in plan.keyword)])
    text = program.text + "\n" + _TEXT.format(entry=ENTRY, function=plan.entry, arguments=arguments)
    lines = program.lines or tuple(range(1, program.text.count("\n") + 2))
    return replace(program, text=text, plan=_PLAN, lines=lines)
