"""The best loss against baselines on seeds that had no say in its choice, so that luck is not counted twice."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.api import text_candidate
from harness.checks.checker import Checker
from harness.checks.options import Options
from harness.checks.static import screened_text
from harness.core import profiles
from harness.core.errors import InfrastructureError
from harness.ladder import bandit
from harness.ladder.baselines import baseline_candidate
from harness.ladder.evaluations import tuned_of, with_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.ladder.evaluations import Tuned
    from harness.ladder.plan import Ladder, RungPlan
    from harness.ledger import Ledger

    #: Told the seed, the loss's own value, and those of the others by name.
    Done = Callable[[int, float, Mapping[str, float]], None]

#: The first of the fresh seeds: gates count theirs from 0.
FIRST_SEED = 100_000


def rung_of(ladder: Ladder) -> RungPlan | None:
    """The rung that a duel is fought at: the last, where it is cheap enough to be run for the summary alone."""
    plan = ladder.searched.rungs[-1]
    return plan if plan.kind == "bandit" and plan.gate is not None else None


def tuned_for(ledger: Ledger, ladder: Ladder, identity: str, source: str) -> Tuned | None:
    """The values that the ladder tuned for a loss, in its run or in the one that it is a duplicate of; else None."""
    program = screened_text(text_candidate(source, "loss.py"), profiles.load(ladder.properties)).program
    if program is None or not program.plan.parameters:
        return None
    own = ledger.runs(profile_digest=ladder.digest, candidate=identity)
    return tuned_of(ledger.events(ledger.answering(own[0]).id)) if own else None


def fight(
    ladder: Ladder,
    own: tuple[str, str],
    against: Sequence[str],
    seeds: Sequence[int],
    done: Done,
    *,
    tuned: Tuned | None = None,
    gpu: str = "none",
    runtime: str | None = None,
) -> None:
    """Measure a loss (its name and its text, at its tuned values) and losses of the catalogue at each seed.

    `done` is told the seed, the loss's value of the gate's metric, and the others' by name. Raises InfrastructureError,
    and CandidateFault where the loss no longer answers.
    """
    plan = rung_of(ladder)
    if plan is None or plan.gate is None:
        raise InfrastructureError(f"the ladder {ladder.name} has no rung for a duel")
    settings: dict[str, Any] = dict(plan.settings)
    measured, metric = bandit.Settings(**settings), plan.gate.metric
    name, source = own
    with Checker.open(Options(profile=ladder.properties, gpu=gpu, runtime=runtime)) as checker:
        ones = [checker.screen(text_candidate(source, f"{name}.py"))]
        if ones[0].program is not None:
            ones[0] = replace(ones[0], program=with_values(ones[0].program, tuned))
        ones += [checker.screen(baseline_candidate(other)) for other in against]
        with contextlib.ExitStack() as stack:
            subjects = [stack.enter_context(checker.oracle(one)) for one in ones]
            for number, seed in enumerate(seeds):
                if number:
                    for subject in subjects:
                        subject.fresh()
                first, *others = (bandit.measure(subject, seed, measured)[metric] for subject in subjects)
                done(seed, first, dict(zip(against, others, strict=True)))
