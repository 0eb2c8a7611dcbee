"""Losses written here, and jobs of a size for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 - the field's spelling

from harness.protocol.job import Job, Setting, Step

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SMALL: dict[str, Setting] = {
    "prompts": 96,
    "segment": 20,
    "horizon": 20,
    "clone_steps": 150,
    "evaluations": 32,
    "steps": 10,
    "quick_steps": 0,
    "betas": (0.3,),
    "sets": ("on_policy",),
}


def job(step: Step, settings: dict[str, Setting], seed: int = 0, **folders: Path) -> Job:
    places: dict[str, Any] = {name: str(folder) for name, folder in folders.items()}
    return Job("control", step, seed, settings, **places)


@dataclass
class Loss:
    """A loss of x = beta rho; it may be told to fall over at a call, or to answer NaN from one on."""

    of_x: Callable[[torch.Tensor], torch.Tensor]
    smallest: int = 1
    dies_at: int = -1
    nan_from: int = -1
    calls: int = 0

    def __call__(
        self,
        policy_chosen: torch.Tensor,
        policy_rejected: torch.Tensor,
        reference_chosen: torch.Tensor,
        reference_rejected: torch.Tensor,
        beta: float,
        *,
        chosen_lengths: torch.Tensor | None = None,
        rejected_lengths: torch.Tensor | None = None,
        progress: float = 0.5,
    ) -> torch.Tensor:
        assert chosen_lengths is not None
        assert rejected_lengths is not None
        assert 0.0 <= progress <= 1.0
        self.calls += 1
        if self.calls - 1 == self.dies_at:
            raise KeyboardInterrupt
        rho = (policy_chosen - policy_rejected) - (reference_chosen - reference_rejected)
        value = self.of_x(beta * rho).mean()
        return value * float("nan") if 0 <= self.nan_from < self.calls else value


def dpo(**how: int) -> Loss:
    return Loss(lambda x: F.softplus(-x), **how)


def negated() -> Loss:
    return Loss(F.softplus)


def even() -> Loss:
    return Loss(torch.square)
