"""The best loss against the baseline on seeds that had no say in its choice, so that luck is not counted twice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.api import text_candidate
from harness.errors import InfrastructureError
from harness.judge.judging import run_session
from harness.judge.options import Options
from harness.judge.pipeline import open_bench
from harness.ladder import bandit
from harness.ladder.baselines import baseline_candidate
from harness.ladder.climb import opened, screened_text
from harness.ladder.tuned import tuned_of, with_values
from harness.ledger.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.judge.session import Suite
    from harness.ladder.profile import Ladder, RungPlan
    from harness.ladder.tuned import Tuned
    from harness.ledger import Ledger
    from harness.ledger.records import Run

#: The first of the fresh seeds: gates count theirs from 0.
FIRST_SEED = 100_000


def rung_of(ladder: Ladder) -> RungPlan | None:
    """The rung that a duel is fought at: the last, where it is cheap enough to be run for the summary alone."""
    plan = ladder.rungs[-1]
    return plan if plan.kind == "bandit" and plan.gate is not None else None


def tuned_for(
    ledger: Ledger, ladder: Ladder, identity: str, source: str, answering: Callable[[], Run | None]
) -> Tuned | None:
    """The values that the ladder tuned for a loss; None where it declares no parameters.

    They stand with its own run, with the one that it is a duplicate of, or with the one that answered: `answering`.
    """
    program = screened_text(text_candidate(source, "loss.py")).program
    if program is None or not program.plan.parameters:
        return None
    own = ledger.runs(profile_digest=ladder.digest, candidate=identity)
    run = own[0] if own else answering()
    if run is not None and run.state is State.DUPLICATE and run.same_as is not None:
        run = ledger.run(run.same_as)
    return tuned_of(ledger.events(run.id)) if run is not None else None


def fight(
    ladder: Ladder,
    source: str,
    name: str,
    seeds: Sequence[int],
    done: Callable[[int, float, float], None],
    *,
    tuned: Tuned | None = None,
    gpu: str = "none",
    runtime: str | None = None,
) -> None:
    """Measure a loss, at its tuned values, and the baseline; `done` is told the seed and both values of the metric.

    Raises InfrastructureError, and CandidateFault where the loss no longer answers.
    """
    plan = rung_of(ladder)
    if plan is None or plan.gate is None:
        raise InfrastructureError(f"the ladder {ladder.name} has no rung for a duel")
    settings: dict[str, Any] = dict(plan.settings)
    measured, metric = bandit.Settings(**settings), plan.gate.metric
    bench = open_bench(Options(profile=ladder.properties, gpu=gpu, runtime=runtime))
    own, base = screened_text(text_candidate(source, f"{name}.py")), screened_text(baseline_candidate(plan.baseline))
    if own.program is not None:
        own = replace(own, program=with_values(own.program, tuned))

    def body(suite: Suite) -> None:
        del suite
        with opened(bench, own, {}) as left, opened(bench, base, {}) as right:
            for number, seed in enumerate(seeds):
                if number:
                    left.fresh()
                    right.fresh()
                values = [bandit.measure(subject, seed, measured)[metric] for subject in (left, right)]
                done(seed, values[0], values[1])

    try:
        run_session(body, bench.profile, 0)
    finally:
        bench.engine.close()
