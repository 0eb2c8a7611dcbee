"""The ladder tunes what a candidate leaves open, before its first gate, on data that judges nobody.

Each trial trains on the bandit with other values, on seeds from FIRST_SEED on: gates count theirs from 0, and a duel's
begin far below. The bandit is also the proxy where a ladder's own rungs train in containers: there a trial would cost
what a whole seed of the rung costs, sixteen times over, and what the bandit is good for, telling values with which a
loss learns from those with which it does not, is what has to be known before a dear rung. How well values do at the
rung itself is its gate's business, on its own seeds, with the values fixed.

A trial is worth the gate's metric, the mean over its seeds; one that breaks a guard rail, or to which the candidate
does not answer, is worth less than all others. The best goes through all properties once more before any gate sees it.

The search for values is Optuna's TPE, seeded, one trial at a time. What was told so far is all its state: a search that
was interrupted is gone through again from the ledger, asks for the same values, and goes on to the bit.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from harness.core.digests import json_digest
from harness.core.errors import CandidateFault, InfrastructureError, StoppedError
from harness.core.version import __version__
from harness.ladder import bandit
from harness.ladder.curves import by_seed
from harness.ladder.evaluations import KIND, OBJECTIVE, RUNG, VALUE, Tuned, tuned_of, with_values
from harness.ladder.ladder import load
from harness.ladder.rungs import TUNING, code_of
from harness.ledger.records import Score

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.checks.static import Screened
    from harness.core.program import Parameter
    from harness.ladder.context import ClimbContext
    from harness.ladder.gate import Gate
    from harness.ladder.plan import Ladder
    from harness.ledger.records import Claim, Decision

    Trial = tuple[Mapping[str, float], float]
    #: What values reach; WORST where they fall apart.
    Objective = Callable[[Mapping[str, float]], float]

#: Trials before the sampler models anything: the middle of all ranges, and a few at random.
_AT_RANDOM = 5


class Search:
    """Asks for values and is told what they reached, the more the better. Raises InfrastructureError without Optuna."""

    def __init__(self, parameters: Sequence[Parameter], seed: int) -> None:
        try:
            import optuna  # noqa: PLC0415 - a candidate without parameters needs none
        except ImportError as error:
            raise InfrastructureError(
                "this candidate declares parameters, and Optuna, which tunes them, is not installed",
                remedy="install the extra: pip install 'preference-loss-harness[discover]'",
            ) from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.version = f"optuna {optuna.__version__}"
        self._parameters = tuple(parameters)
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=_AT_RANDOM)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        # The middle is what an untuned candidate has: nothing worse on the seeds of the tuning can come out.
        self._study.enqueue_trial({p.name: p.middle for p in self._parameters})
        self._trial: Any = None

    def ask(self) -> dict[str, float]:
        """The values of the next trial; the same again until it is told what they reached."""
        if self._trial is None:
            self._trial = self._study.ask()
        drawn = {p.name: self._trial.suggest_float(p.name, p.low, p.high, log=p.log) for p in self._parameters}
        return {p.name: min(max(float(drawn[p.name]), p.low), p.high) for p in self._parameters}

    def tell(self, value: float) -> None:
        """What the last trial reached."""
        self._study.tell(self._trial, value)
        self._trial = None

    def again(self, trials: Sequence[tuple[Mapping[str, float], float]]) -> list[tuple[Mapping[str, float], float]]:
        """Go through earlier trials: give those that this search makes too, in order, and stand behind them.

        Where one has other values, it and those after it were another search's: they are left out.
        """
        out = []
        for values, reached in trials:
            if self.ask() != dict(values):
                break
            self.tell(reached)
            out.append((values, reached))
        return out


TRIALS = 16
#: Seeds of a trial. Those that judge are far from them: gates count from 0, a duel from 100,000.
FIRST_SEED = 1_000_000
SEEDS = tuple(FIRST_SEED + k for k in range(2))
#: What a trial is worth that falls apart: below any score.
WORST = -1e6
#: Whose bandit is the proxy where a ladder has none of its own.
_PROXY = "bandit-2026.1"


def proxy_of(ladder: Ladder) -> tuple[bandit.Settings, Gate]:
    """The bandit that trials are trained on, and the gate whose metric and rails say what they are worth."""
    for rungs in (ladder.searched.rungs, load(_PROXY).rungs):
        for plan in rungs:
            if plan.kind == "bandit" and plan.gate is not None:
                return bandit.Settings(**cast("dict[str, Any]", dict(plan.settings))), plan.gate
    raise InfrastructureError(f"the ladder {_PROXY} has no bandit to tune with")


def tuning_digest(ladder: Ladder, image: str, sampler: str) -> str:
    """SHA-256 of what decides about a tuning's outcome, besides the candidate."""
    settings, gate = proxy_of(ladder)
    what = {
        "harness": __version__,
        "code": code_of(TUNING),
        "image": image,
        "sampler": sampler,
        "trials": TRIALS,
        "seeds": SEEDS,
        "settings": repr(settings),
        "gate": repr(gate),
    }
    return json_digest(what)


def worth(gate: Gate, measured: Mapping[int, Mapping[str, float]]) -> float:
    """What a trial's metrics, by seed, are worth to a gate: WORST where a rail is broken, or a score is no number."""
    values = [metrics.get(gate.metric, math.nan) for metrics in measured.values()]
    held = [rail.holds(metrics.get(rail.metric, math.nan)) for rail in gate.rails for metrics in measured.values()]
    if not all(held) or not all(map(math.isfinite, values)):
        return WORST
    return sum(values) / len(values)


def tune(
    search: Search,
    known: Sequence[Trial],
    objective: Objective,
    keep: Callable[[int, Trial], None],
    trials: int,
) -> list[Trial]:
    """Make the trials that are not known yet; `keep` is given each as soon as it is there. Gives all, in order."""
    made = search.again(known[:trials])
    while len(made) < trials:
        values = search.ask()
        trial = values, objective(values)
        search.tell(trial[1])
        keep(len(made), trial)
        made.append(trial)
    return made


def best_of(made: Sequence[Trial], tuning: str) -> Tuned:
    """The best trial, the first of those that are as good. The first of all is the middle."""
    values, reached = max(made, key=lambda trial: trial[1])
    score, middle = (None if one <= WORST else one for one in (reached, made[0][1]))
    return Tuned(dict(values), tuning, len(made), score, middle)


def is_open(one: Screened) -> bool:
    """Whether a candidate declares parameters, and has no values yet."""
    return (
        one.fault is None and one.program is not None and bool(one.program.plan.parameters) and not one.program.chosen
    )


class Tuning:
    """The tuning of one run's candidate: what the ledger knows of it, and the trials that are still to be made."""

    def __init__(self, context: ClimbContext, held: Claim, labels: dict[str, str]) -> None:
        self._context, self._ledger, self._held, self._labels = context, context.ledger, held, labels

    def settled(
        self, one: Screened, judge: Callable[[Screened], Decision], say: Callable[[int, int, float], None]
    ) -> tuple[Screened, Decision | None]:
        """An open candidate at its tuned values, and the decision where `judge` rejects it there.

        The properties were asked at settings that anybody can know; what goes on is asked for itself. `say` is told how
        many trials of how many there are, and what the last was worth. Raises StoppedError between trials.
        """
        program = one.passed_program
        search = Search(program.plan.parameters, int(one.sha256[:8], 16))
        digest = tuning_digest(self._context.ladder, self._context.image, search.version)
        if (found := tuned_of(self._ledger.events(self._held.run.id), digest)) is not None:
            return replace(one, program=with_values(program, found)), None
        found = best_of(self._trials(one, search, f"{RUNG}-{digest[:12]}", say), digest)
        chosen = replace(one, program=with_values(program, found))
        decision = judge(chosen)
        if decision.decision == "reject":
            return chosen, decision
        self._ledger.note(self._held, KIND, found.as_detail())
        return chosen, None

    def _trials(self, one: Screened, search: Search, rung: str, say: Callable[[int, int, float], None]) -> list[Trial]:
        """All trials, each kept under `rung` as soon as it is made."""

        def objective(values: Mapping[str, float]) -> float:
            if self._context.stopping():
                raise StoppedError
            return self._measured(replace(one, program=one.passed_program.at(values)))

        def keep(number: int, trial: Trial) -> None:
            values, reached = trial
            scores = [Score(number, f"{VALUE}{name}", value) for name, value in values.items()]
            self._ledger.save_scores(self._held, rung, [*scores, Score(number, OBJECTIVE, reached)])
            say(number + 1, TRIALS, reached)

        return tune(search, self._known(rung, one.passed_program.plan.parameters), objective, keep, TRIALS)

    def _measured(self, one: Screened) -> float:
        """What a candidate is worth at its values."""
        settings, gate = proxy_of(self._context.ladder)
        measured: dict[int, dict[str, float]] = {}
        try:
            with self._context.checker.labelled(self._labels).oracle(one) as subject:
                for number, seed in enumerate(SEEDS):
                    if number:
                        subject.fresh()
                    measured[seed] = bandit.measure(subject, seed, settings)
        except CandidateFault:
            return WORST
        return worth(gate, measured)

    def _known(self, rung: str, parameters: Sequence[Parameter]) -> list[Trial]:
        """The trials that an earlier attempt made, from the first up to the first that is missing."""
        by_trial = by_seed(self._ledger.scores(self._held.run.id).get(rung, []))
        out: list[Trial] = []
        while (row := by_trial.get(len(out))) is not None:
            out.append(({p.name: row[f"{VALUE}{p.name}"] for p in parameters}, row[OBJECTIVE]))
        return out
