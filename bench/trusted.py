"""Losses of our own as trainers call them, in this process: for measuring what a rung makes of them.

Only texts of the catalogue and of this folder are run so. A candidate never is.
"""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from harness.core.contract import PREFERENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.core.program import Program

_OFFERED = ("beta", "chosen_lengths", "rejected_lengths", "progress")


class TrustedLoss:
    """A `harness.trainer.tasks.PairLoss` over a function that takes four vectors and names what else it wants."""

    def __init__(self, function: Callable[..., torch.Tensor], smallest: int = 1) -> None:
        self._function, self.smallest = function, smallest
        self._named = tuple(inspect.signature(function).parameters)[4:]

    def __call__(self, *four_and_beta: Any, **more: Any) -> torch.Tensor:
        """Mean loss in float32, as the oracle gives it."""
        *four, beta = four_and_beta
        offered = {"beta": beta, **more}
        wanted = {name: offered[name] for name in self._named if name in _OFFERED}
        value = self._function(*(t.float() for t in four), **wanted).mean()
        # What asks nothing of the policy has a gradient of zero, as the oracle says of it.
        return value if value.requires_grad else value + 0.0 * (four[0] + four[1]).sum()


def from_text(text: str, smallest: int = 1) -> TrustedLoss:
    """The last function that a text of ours defines."""
    space: dict[str, Any] = {"torch": torch, "F": functional, "math": math}
    exec(compile(text, "<catalogue>", "exec"), space)  # noqa: S102 - text of this repository, see above
    functions = [f for f in space.values() if inspect.isfunction(f)]
    return TrustedLoss(functions[-1], smallest)


def from_program(program: Program, smallest: int = 1) -> TrustedLoss:
    """The function that the screen found in a text of ours, called as its plan says."""
    space: dict[str, Any] = {"torch": torch, "F": functional, "math": math}
    exec(compile(program.source, "<ours>", "exec"), space)  # noqa: S102 - text of this repository, see above
    plan = program.plan

    def call(
        pc: Any, pr: Any, rc: Any, rr: Any, beta: float, chosen_lengths: Any, rejected_lengths: Any, progress: float
    ) -> torch.Tensor:
        values = (pc, pr, rc, rr, chosen_lengths, rejected_lengths, beta, progress)
        given = dict(zip(PREFERENCE.arguments, values, strict=True))
        named = {own: given[argument] for own, argument in plan.keyword}
        output: torch.Tensor = space[plan.entry](*(given[name] for name in plan.positional), **named)
        return output

    return TrustedLoss(call, smallest)
