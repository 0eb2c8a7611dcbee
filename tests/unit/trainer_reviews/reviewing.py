"""What the tests of rung 3 share: small settings, losses in this process, a prepared folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import softplus

from harness.protocol.job import Job, Step, silent
from harness.trainer.reviews import steps as reviews

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

torch.set_num_threads(1)
torch.set_flush_denormal(True)

#: Seconds of work: enough that a preference is learned, not that every sentence is right.
SMALL: dict[str, Any] = {
    "corpus": 1000,
    "width": 32,
    "warm_steps": 120,
    "warm_rate": 0.01,
    "prompts": 128,
    "questions": 64,
    "epochs": 3,
    "batch": 16,
    "rate": 2e-3,
    "keep": 4,
}


class Loss:
    """A trusted function of the margin's beta-fold as a trainer calls it; remembers how it was called."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor], smallest: int = 1) -> None:
        self.function, self.smallest = function, smallest
        self.calls: list[dict[str, Any]] = []

    def __call__(
        self,
        policy_chosen: torch.Tensor,
        policy_rejected: torch.Tensor,
        reference_chosen: torch.Tensor,
        reference_rejected: torch.Tensor,
        beta: float,
        **more: Any,
    ) -> torch.Tensor:
        rho = (policy_chosen - policy_rejected) - (reference_chosen - reference_rejected)
        self.calls.append({"pairs": len(policy_chosen), "rho": rho.detach(), "beta": beta, **more})
        return self.function(beta * rho).mean()


def dpo() -> Loss:
    return Loss(lambda x: softplus(-x))


def prepared(folder: Path, seed: int = 0, **settings: Any) -> Job:
    """A job whose data are made in `folder / data`."""
    data = folder / "data"
    reviews.prepare(Job("reviews", Step.PREPARE, seed, {**SMALL, **settings}, out=str(data)), silent)
    return Job("reviews", Step.TRAIN, seed, {**SMALL, **settings}, data=str(data), out=str(folder / "out"))


def trained(job: Job, loss: Any, out: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Train into `out` and score what came of it."""
    out.mkdir(parents=True, exist_ok=True)
    told = reviews.train(
        Job(job.task, Step.TRAIN, job.seed, job.settings, str(out), job.data, inputs=job.inputs), loss, silent
    )
    scoring = Job(job.task, Step.SCORE, job.seed, job.settings, "", job.data, str(out), inputs=job.inputs)
    return dict(told), dict(reviews.score(scoring, silent))
