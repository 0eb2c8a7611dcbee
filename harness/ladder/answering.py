"""Asking a kept model of a run: which weights those are, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.errors import UserError
from harness.ladder.judge_sets import question_lines, read_answers
from harness.ladder.ladder import ladder_for
from harness.ladder.measuring import trainings_of
from harness.ladder.rung_records import weights_of
from harness.trainer.tasks import ANSWERING
from harness.training.weights import KeptWeights, address_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from harness.checks.checker import Checker
    from harness.ladder.judge_sets import Answered, Sampling
    from harness.ladder.plan import RungPlan
    from harness.ledger import Ledger
    from harness.ledger.records import Run
    from harness.llm_judge.questions import AskedQuestion
    from harness.protocol.job import Progress, Step


@dataclass(frozen=True)
class KeptModel:
    """A model of a run: the rung that fine-tuned it, the seed, and the folder of its weights.

    None in place of the folder is the model that training began with.
    """

    plan: RungPlan
    seed: int
    weights: Path | None


def model_of(ledger: Ledger, run: Run, folder: Path, *, rung: str | None, seed: int, start: bool = False) -> KeptModel:
    """The model of a run. Raises UserError where it fine-tuned nothing, or its weights are not kept here."""
    ladder = ladder_for(ledger, run)
    fit = [plan for plan in (ladder.rungs if ladder is not None else ()) if plan.kind in ANSWERING]
    plan = next((each for each in fit if rung in {None, each.name}), None)
    if plan is None:
        named = f"no rung {rung} that" if rung else "no rung that"
        remedy = f"it has: {', '.join(each.name for each in fit)}" if fit else "name a run of a ladder with a fine-tune"
        raise UserError(f"the ladder of run {run.id} has {named} fine-tunes", remedy=remedy)
    if start:
        return KeptModel(plan, seed, None)
    there = weights_of(ledger, run.id, plan.name, seed)
    if there is None:
        raise UserError(f"run {run.id} has not trained seed {seed} of {plan.name}", remedy=f"`harness show {run.id}`")
    found = KeptWeights(folder / "weights").at(address_of(there))
    if found is None:
        remedy = f"set keep_gib in the settings of {plan.name} in a ladder of your own, and run it again there"
        raise UserError(f"the weights of run {run.id}, seed {seed} of {plan.name}, are not kept here", remedy=remedy)
    return KeptModel(plan, seed, found)


def ask(
    checker: Checker,
    folder: Path,
    model: KeptModel,
    asked: Sequence[AskedQuestion],
    sampling: Sampling,
    *,
    stopping: Callable[[], bool] = lambda: False,
    say: Callable[[Step, Progress], None] = lambda _, __: None,
) -> Answered:
    """What the model answers, in a container of its own. What was answered before is not asked again.

    Raises UserError for a model that cannot be asked so, StoppedError where it is told to stop: it goes on there.
    """
    trainings = trainings_of(checker, folder, {}, stopping)
    lines = trainings.answer(model.plan, model.seed, question_lines(asked, sampling), model.weights, say)
    return read_answers(lines, asked, "the model")
