"""What a ladder needs of the place where it is climbed: a GPU, files of the user's, something that trains.

Looked at before anything begins. What is missing would else end the first rung that trains, after all before it, and
three times over; whose mistake it is stands here, with the next step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.containers.devices import host_gpus
from harness.core.errors import UserError
from harness.ladder.measuring import in_process
from harness.ladder.rungs import TRAINED, declared_by
from harness.protocol.job import StepError
from harness.trainer.images.settings import INPUT
from harness.training.process import Processes, require_torch
from harness.training.rung import INPUTS, TrainingService

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.ladder.plan import Ladder, RungPlan


def meet(ladder: Ladder, folder: Path, *, gpu: str, data_dir: str | None = None) -> None:
    """Refuse to climb where a need of the ladder's is not met.

    Raises UserError for what the user has to give, InfrastructureError where there is nothing to train with.
    """
    check_inputs(ladder, folder, data_dir)
    for need in missing(ladder, folder, gpu=gpu, data_dir=data_dir):
        raise need
    if any(plan.kind in TRAINED for plan in ladder.rungs):
        _trainer(cuda=gpu != "none" and bool(host_gpus()))


def missing(ladder: Ladder, folder: Path, *, gpu: str, data_dir: str | None = None) -> Iterator[UserError]:
    """What the user has to give before each rung can be climbed here."""
    for plan in ladder.rungs:
        if plan.needs == "gpu" and (gpu == "none" or not host_gpus()):
            why = "this host has none" if not host_gpus() else "it was not given one"
            yield UserError(
                f"the rung {plan.name} of {ladder.name} needs a GPU, and {why}",
                remedy="give it one with --gpu auto, let a worker with one take it (`harness submit`), "
                'or write needs = "cpu" in a ladder of your own',
            )
        if plan.kind in TRAINED:
            yield from _files(plan, folder, data_dir)


def check_inputs(ladder: Ladder, folder: Path, data_dir: str | None = None) -> None:
    """Refuse inputs that nobody can train by, here or elsewhere. Raises UserError."""
    trained = [plan for plan in ladder.rungs if plan.kind in TRAINED]
    for plan in trained:
        _inputs(plan, folder, data_dir)
    if data_dir is not None and not any(INPUT in declared_by(plan).inputs for plan in trained):
        raise UserError(f"no rung of {ladder.name} reads a folder of data", remedy="leave --data-dir out")


def _inputs(plan: RungPlan, folder: Path, data_dir: str | None) -> dict[str, Path]:
    return TrainingService(folder, Processes(), data_dir=data_dir).inputs(plan)


def _files(plan: RungPlan, folder: Path, data_dir: str | None) -> Iterator[UserError]:
    given = _inputs(plan, folder, data_dir)
    for name in declared_by(plan).inputs:
        also = "name it with --data-dir, or " if name == INPUT else ""
        remedy = f'{also}write {name} = "/a/path" into {folder / INPUTS}'
        if name not in given:
            yield UserError(f"the rung {plan.name} reads {name}, and nobody says where it lies", remedy=remedy)
        elif not given[name].exists():
            yield UserError(f"the rung {plan.name} reads {name}, and nothing is at {given[name]}", remedy=remedy)
        elif plan.kind == "images":
            from harness.trainer.images import cifar  # noqa: PLC0415 - numpy, and seldom asked

            try:
                cifar.place_of(given[name])
            except StepError as error:
                yield UserError(f"the rung {plan.name} reads {name}: {error}", remedy=error.remedy)


def _trainer(*, cuda: bool) -> None:
    """There has to be an image to train in, or torch where this host's own Python trains."""
    if in_process():
        require_torch()
    else:
        from harness.images import current  # noqa: PLC0415 - only training needs it

        current("trainer-cuda" if cuda else "trainer-cpu")
