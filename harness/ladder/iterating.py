"""Losses side by side over the rounds of a rung that trains in rounds: no gate, every seed of every loss.

Each seed that is done is kept as a file; of one that was killed, the stages that were done are (`harness.training`).
Whoever asks again goes on there.
"""

from __future__ import annotations

import json
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from harness.core.errors import CandidateFault, StoppedError, UserError
from harness.core.files import write_whole
from harness.ladder.baselines import read_metrics
from harness.ladder.checks import mistakes, refused
from harness.ladder.curves import point
from harness.ladder.gate import interval
from harness.ladder.measuring import served, trainings_of
from harness.ladder.rungs import evaluation_digest
from harness.protocol.job import TIMES
from harness.trainer.tasks import IN_ROUNDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from harness.checks.checker import Checker
    from harness.checks.static import Screened
    from harness.core.candidate import Candidate
    from harness.ladder.plan import Ladder, RungPlan
    from harness.protocol.job import Progress, Step

    #: Told how far which training is: the loss, the seed, the step.
    Telling = Callable[[str, int, Step, Progress], None]
    #: Mean over seeds, and its interval.
    Spread = tuple[float, float, float]

#: Metrics of the rounds in the order of tables.
SHOWN = ("reward", "reward_at_equal_length", "length", "length_growth", "kl", "agreement", "grammar")
#: The level of the intervals.
_ALPHA = 0.05


@dataclass
class Outcome:
    """What a loss came to: its metrics by seed, or the fault of its own that ended them."""

    name: str
    sha256: str
    seeds: dict[int, dict[str, float]] = field(default_factory=dict)
    fault: str = ""

    @property
    def rounds(self) -> int:
        """The last round that a seed came to; 0 is the start."""
        points = [point(name) for metrics in self.seeds.values() for name in metrics]
        return max((at[1] for at in points if at is not None), default=0)

    def at(self, metric: str, number: int) -> Spread | None:
        """A metric after a round; None where a seed has none."""
        return _spread([metrics.get(f"{metric}@{number}", math.nan) for metrics in self.seeds.values()])

    def less(self, other: Outcome, metric: str, number: int) -> Spread | None:
        """The difference from another loss, seed by seed; None where a seed has none."""
        name = f"{metric}@{number}"
        shared = sorted(self.seeds.keys() & other.seeds.keys())
        return _spread([self.seeds[s].get(name, math.nan) - other.seeds[s].get(name, math.nan) for s in shared])


def _spread(values: Sequence[float]) -> Spread | None:
    if not values or any(math.isnan(v) for v in values):
        return None
    return (float(np.mean(values)), *interval(values, _ALPHA))


def planned(ladder: Ladder, rounds: int | None) -> tuple[Ladder, RungPlan]:
    """The ladder's rung that trains in rounds, with so many of them. Raises UserError where there is none such."""
    found = [place for place, plan in enumerate(ladder.rungs) if plan.kind in IN_ROUNDS]
    if len(found) != 1:
        what = f"the ladder {ladder.name} has {len(found)} rungs that train in rounds, and one is wanted"
        raise UserError(what, remedy=f'--ladder iterate, or a ladder of your own with a rung of kind "{IN_ROUNDS[0]}"')
    plan = ladder.rungs[found[0]]
    if rounds is not None:
        plan = replace(plan, settings=tuple({**dict(plan.settings), "rounds": rounds}.items()), gate=None)
        ladder = replace(ladder, rungs=(*ladder.rungs[: found[0]], plan, *ladder.rungs[found[0] + 1 :]))
        # The gate was written for the ladder's own rounds, and nobody is gated here.
        if wrong := [each for each in mistakes(ladder) if "settings" in each.path]:
            raise refused(ladder.name, "", wrong)
    return ladder, plan


@dataclass(frozen=True)
class Iterating:
    """Measures losses at a rung that trains in rounds. `folder` is the project's."""

    checker: Checker
    ladder: Ladder
    plan: RungPlan
    folder: Path
    stopping: Callable[[], bool] = lambda: False
    say: Telling = lambda *_: None

    def measure(self, losses: Mapping[str, Candidate], seeds: Sequence[int], jobs: int) -> dict[str, Outcome]:
        """What each loss comes to at each seed, `jobs` losses at a time.

        A candidate's fault ends its own seeds and no others. Raises UserError for data and settings that cannot be
        used, InfrastructureError, and StoppedError where it is told to stop.
        """
        out = {name: Outcome(name, loss.sha256) for name, loss in losses.items()}
        halted = threading.Event()
        own = replace(self, stopping=lambda: halted.is_set() or self.stopping())

        def one(name: str) -> None:
            try:
                own.all_seeds(out[name], losses[name], seeds)
            except BaseException:
                halted.set()
                raise

        with ThreadPoolExecutor(max(1, jobs), thread_name_prefix="iterate") as pool:
            work = [pool.submit(one, name) for name in losses]
        if faults := [fault for each in work if (fault := each.exception()) is not None]:
            # The others were stopped because of it.
            raise next((fault for fault in faults if not isinstance(fault, StoppedError)), faults[0])
        return out

    def all_seeds(self, outcome: Outcome, loss: Candidate, seeds: Sequence[int]) -> None:
        """Measure one loss at each seed, into its outcome, over a connection of its own. Raises as `measure` does."""
        with self.checker.connected() as own:
            one = own.screen(loss)
            try:
                if one.fault is not None:
                    raise one.fault
                for seed in seeds:
                    if self.stopping():
                        raise StoppedError
                    outcome.seeds[seed] = self._seed(own, one, outcome.name, seed)
            except CandidateFault as fault:
                outcome.fault = "; ".join(f"{f.rule} {f.message}" for f in fault.findings)

    def _seed(self, checker: Checker, one: Screened, name: str, seed: int) -> dict[str, float]:
        trainings = trainings_of(checker, self.folder, {}, self.stopping)
        image = str(checker.environment["image_digest"])
        evaluation = evaluation_digest(self.ladder, self.plan, image, trainings.identity(self.plan))
        place = self.folder / "iterate" / f"{evaluation[:32]}-{one.sha256[:32]}-{seed}.json"
        if (known := read_metrics(place)) is not None:
            return known
        told = trainings.measure(
            lambda _, seconds: served(checker, one, {}, seconds),
            self.plan,
            seed,
            f"{one.sha256}/{evaluation}",
            say=lambda step, at: self.say(name, seed, step, at),
        )
        metrics = {name: value for name, value in told.items() if name not in TIMES}
        place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(place, json.dumps({name: repr(value) for name, value in sorted(metrics.items())}).encode())
        return metrics
