"""What a ladder needs of the place where it is climbed: a GPU, files of the user's, something that trains.

Looked at before anything begins. What is missing would else end the first rung that trains, after all before it, and
three times over; whose mistake it is stands here, with the next step.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from harness.containers.devices import host_gpus
from harness.core.errors import UserError
from harness.core.files import SMALL, json_of, load_text
from harness.ladder.judge_settings import RECORDINGS, fine_tune_of, settings_of_plan
from harness.ladder.measuring import in_process
from harness.ladder.rungs import JUDGED, WITH_TRAINER, declared_by
from harness.llm_judge.judge import somebody_to_ask
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
    if any(plan.kind in WITH_TRAINER for plan in ladder.rungs):
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
        if plan.kind in WITH_TRAINER:
            yield from _files(plan, folder, data_dir)
        if plan.kind in JUDGED:
            yield from _judge(ladder, plan, folder)


def check_inputs(ladder: Ladder, folder: Path, data_dir: str | None = None) -> None:
    """Refuse inputs that nobody can train by, here or elsewhere. Raises UserError."""
    trained = [plan for plan in ladder.rungs if plan.kind in WITH_TRAINER]
    for plan in trained:
        given = _inputs(plan, folder, data_dir)
        if plan.kind in JUDGED and all(name in given and given[name].exists() for name in declared_by(plan).inputs):
            _sets(ladder, plan, given, folder, data_dir)
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


def _sets(ladder: Ladder, plan: RungPlan, given: dict[str, Path], folder: Path, data_dir: str | None) -> None:
    """Read what a judge is to compare, and see that the model can be asked it. Raises UserError."""
    from harness.ladder.judge_sets import read_sets  # noqa: PLC0415 - few ladders have a judge

    settings = settings_of_plan(plan)
    read_sets(settings, given)
    tuned = fine_tune_of(ladder, plan)
    model = _inputs(tuned, folder, data_dir).get("model")
    if settings.template == "chat" and model is not None and model.is_dir() and not _has_template(model):
        raise UserError(
            f"the rung {plan.name} puts questions as messages, and the model of {tuned.name} has no chat template",
            remedy='add chat_template.jinja to the model\'s folder, or set template = "none" for the rung',
        )


def _has_template(model: Path) -> bool:
    """Whether there is a chat template, in any of the places where tokenizers keep theirs."""
    if any((model / name).is_file() for name in ("chat_template.jinja", "chat_template.json")):
        return True
    config = model / "tokenizer_config.json"
    if not config.is_file():
        return False
    found = json_of(load_text(config, SMALL, "the tokenizer's configuration", links=True), str(config))
    return isinstance(found, dict) and bool(found.get("chat_template"))


def _judge(ladder: Ladder, plan: RungPlan, folder: Path) -> Iterator[UserError]:
    """What a judge needs besides its files: somebody to ask, and what its metrics are computed with."""
    if not somebody_to_ask() and not any((folder / RECORDINGS).glob("*.jsonl")):
        yield UserError(
            f"the rung {plan.name} of {ladder.name} asks a judge, and nobody says where one is",
            remedy="export OPENAI_API_KEY, or OPENAI_BASE_URL for an endpoint of your own",
        )
    if dict(plan.settings).get("form") != "scores" and importlib.util.find_spec("sklearn") is None:
        yield UserError(
            f"the rung {plan.name} gives win rates at equal length, which need scikit-learn",
            remedy='pip install "preference-loss-harness[judge]"',
        )


def _trainer(*, cuda: bool) -> None:
    """There has to be an image to train in, or torch where this host's own Python trains."""
    if in_process():
        require_torch()
    else:
        from harness.images import current  # noqa: PLC0415 - only training needs it

        current("trainer-cuda" if cuda else "trainer-cpu")
