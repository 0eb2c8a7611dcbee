"""The tasks by name. A new one is a package with `steps` and `settings`, and a line in here."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol, cast

from harness.protocol.job import StepError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from harness.protocol.job import Declared, Job, Say, Setting

#: The package of each task: its `steps` offer `prepare`, `train` and `score` as `Task` says, its `settings` `Settings`.
MODULES = {
    "control": "harness.trainer.control",
    "reviews": "harness.trainer.reviews",
    "finetune": "harness.trainer.finetune",
    "images": "harness.trainer.images",
    "iterate": "harness.trainer.iterate",
}
#: Those whose model answers questions.
ANSWERING = ("finetune",)
#: Of those whose loss is no preference loss, the contract that it has to keep.
CONTRACTS = {"images": "classification"}
#: Those that train in rounds, as many as their setting `rounds` says: their steps offer `sample` as well.
IN_ROUNDS = ("iterate",)


class PairLoss(Protocol):
    """A loss over B preference pairs as a trainer calls it; `harness.trainer.torch` is the one over the oracle.

    `smallest` is the number of pairs that it needs at least (batch statistics).
    """

    smallest: int

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
        """Mean loss, a scalar on which `backward()` works.

        The four are summed log-probabilities in nats, shape (B,); lengths are tokens per completion, shape (B,);
        `progress` is the training fraction from 0 to 1.
        """


class ClassLoss(Protocol):
    """A loss of logits and right classes as a trainer calls it; `smallest` is the number of examples that it needs."""

    smallest: int

    def __call__(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean loss, a scalar on which `backward()` works: logits (N, C), targets (N,), whole numbers."""


class Task(Protocol):
    """What the steps of a task offer. Paths come in the job; metrics go out as plain finite or non-finite floats.

    In rounds, `train` begins with `job.weights`, what the round before left (what `prepare` left, in the first), and
    its `job.data` are what `sample` made; `job.weights` of `score` has a folder `round-N` for each round.
    """

    def prepare(self, job: Job, say: Say) -> Mapping[str, float]:
        """Make the data of `job.seed` in `job.out`: a function of settings and seed alone, to the last bit."""

    def sample(self, job: Job, say: Say) -> Mapping[str, float]:
        """Make the data of a round in `job.out`, by `job.data` and the policy in `job.weights`: of `IN_ROUNDS` alone.

        `pairs` says how many there are to train on. None ends the rounds.
        """

    def train(self, job: Job, loss: Any, say: Say) -> Mapping[str, float]:
        """Train on `job.data` with `loss`, a `PairLoss`, or a `ClassLoss` where `CONTRACTS` says so.

        It leaves safetensors in `job.out`, and goes on from a checkpoint that lies there.
        Gives what only training knows: `finite` (share of trainings that stayed finite), `seconds_per_step`.
        """

    def score(self, job: Job, say: Say) -> Mapping[str, float]:
        """Score `job.weights` against `job.data`: the metrics that gates read."""


class Answering(Protocol):
    """What a task offers besides whose model can be asked something: those in `ANSWERING`."""

    def answer(self, job: Job, say: Say) -> Mapping[str, float]:
        """Answer the questions in `job.data` by `job.weights`; see `harness.trainer.finetune.answering`."""


class Settings(Protocol):
    """A task's settings, in `settings.py` beside its steps: read on hosts that have nothing of what steps need."""

    @classmethod
    def of(cls, given: Mapping[str, Setting]) -> Settings:
        """Read them. Raises StepError (the user's) for what makes no sense."""

    def declared(self) -> Declared:
        """What is measured with them, and what is needed."""


def settings_of(name: str, given: Mapping[str, Setting]) -> Settings:
    """The settings of the task of that name. Raises StepError (the user's) for what makes no sense."""
    module = importlib.import_module(f"{MODULES[name]}.settings")
    return cast("type[Settings]", module.Settings).of(given)


def data_settings(name: str, given: Mapping[str, Setting]) -> dict[str, Setting]:
    """Those of a task's settings that its data depend on: all but the `TRAINING_ONLY` of its `settings`."""
    package = MODULES.get(name)
    settings = importlib.import_module(f"{package}.settings") if package else None
    left_out = getattr(settings, "TRAINING_ONLY", frozenset[str]())
    return {key: value for key, value in given.items() if key not in left_out}


def rounds_of(name: str, given: Mapping[str, Setting]) -> int:
    """How many rounds a task trains in; 0 for one that trains once. Raises StepError as `settings_of` does."""
    return int(vars(settings_of(name, given))["rounds"]) if name in IN_ROUNDS else 0


def task(name: str) -> Task:
    """The task of that name. Raises StepError for an unknown one."""
    if name not in MODULES:
        raise StepError(f"there is no task {name!r}", fault="user", remedy=f"one of {', '.join(MODULES)}")
    return cast("Task", importlib.import_module(f"{MODULES[name]}.steps"))
