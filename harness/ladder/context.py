"""What all climbs of a worker share, and what they tell of how far they are."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.attestation.keys import Keyring
from harness.ladder.baselines import Baselines
from harness.ladder.checks import check
from harness.ladder.evaluations import evaluation_with
from harness.ladder.judge_settings import fine_tune_of
from harness.ladder.measuring import Measuring, ours, trainings_of
from harness.ladder.rungs import JUDGED, WITH_TRAINER, evaluation_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.attestation.keys import Signing
    from harness.checks.checker import Checker
    from harness.checks.static import Screened
    from harness.core.candidate import Candidate
    from harness.core.errors import InfrastructureError
    from harness.ladder.plan import Ladder, RungPlan
    from harness.ledger import Ledger
    from harness.ledger.records import Decision
    from harness.protocol.job import Progress as StepProgress
    from harness.protocol.job import Step
    from harness.training.rung import TrainingService


@dataclass(frozen=True)
class Training:
    """How far a training is: whose ("candidate" or the baseline's name), for which seed, at which step of it."""

    whose: str
    seed: int
    step: Step
    at: StepProgress


@dataclass(frozen=True)
class Progress:
    """What a climb is at: told after each rung and seed."""

    rung: str
    seed: int | None = None
    scores: dict[str, float] | None = None
    baseline: dict[str, float] | None = None
    decision: Decision | None = None
    #: A sentence for people.
    told: str = ""
    #: What a training is at, several times a second; then nothing else is told but the rung.
    training: Training | None = None


@ours()
def own_signing() -> Signing:
    """The installation's key as it is at this moment: it may be replaced while workers run."""
    return Keyring().or_new()[0]


@dataclass
class ClimbContext:
    """What all climbs of a worker share. `stopping` is asked between seeds, `watch` is told what happens."""

    checker: Checker
    ladder: Ladder
    ledger: Ledger
    folder: Path
    stopping: Callable[[], bool] = lambda: False
    watch: Callable[[Progress], None] = lambda _: None
    #: The folder of a judge's recorded replies, by rung: then nobody is asked; None asks.
    replies: Path | None = None
    #: Whether other runs wait behind this one.
    more: bool = False
    #: The first rung that is not climbed: a run that came there goes back to the queue. None where all are.
    below: int | None = None
    #: What signs the records of what is decided.
    signing: Callable[[], Signing] = own_signing
    #: The fault of ours that the last climb ended with.
    fault: InfrastructureError | None = None

    def __post_init__(self) -> None:
        """Refuse a ladder that cannot be climbed before anybody tries."""
        check(self.ladder)
        self.baselines = Baselines(self.folder / "baselines", self._measure_baseline, self.stopping)
        self._evaluations: dict[str, str] = {}
        self._kept: contextlib.ExitStack | None = None
        self._baseline: Measuring | None = None

    @property
    def image(self) -> str:
        """The sandbox image's digest."""
        return str(self.checker.environment["image_digest"])

    def evaluation(self, plan: RungPlan, one: Screened | None = None) -> str:
        """The digest of what decides about a rung's outcome, besides the candidate's text; tuned values are in it."""
        if plan.name not in self._evaluations:
            trained = self._trained_by(plan) if plan.kind in WITH_TRAINER else ""
            self._evaluations[plan.name] = evaluation_digest(self.ladder, plan, self.image, trained)
        return evaluation_with(self._evaluations[plan.name], one.program if one is not None else None)

    @ours()
    def _trained_by(self, plan: RungPlan) -> str:
        identity = self.trainings({}).identity(plan)
        if plan.kind in JUDGED:
            return f"{identity} {self.evaluation(fine_tune_of(self.ladder, plan))}"
        return identity

    @ours()
    def trainings(self, labels: dict[str, str]) -> TrainingService:
        """How this worker trains. Raises InfrastructureError where it cannot."""
        return trainings_of(self.checker, self.folder, labels, self.stopping)

    def trainer(self, plan: RungPlan) -> str:
        """By what a rung trains, as `where:digest`; empty where none does."""
        return self.trainings({}).where.identity if plan.kind in WITH_TRAINER else ""

    def foresee(self, sandboxes: float) -> None:
        """The run will take so many sandboxes soon, as far as is known: they are started ahead, as are others'."""
        if self.checker.supply is not None:
            self.checker.supply.expect(math.inf if self.more and sandboxes else sandboxes)

    def measuring(self, plan: RungPlan, one: Screened, labels: dict[str, str]) -> Measuring:
        """What measures a candidate at a rung."""
        name = f"{one.sha256}/{self.evaluation(plan, one)}"
        return Measuring(self.checker, plan, one, labels, name, lambda: self.trainings(labels))

    def prepare(self, plan: RungPlan, seed: int) -> None:
        """Make the data that a seed of a rung is trained on, unless they are there."""
        self.trainings({}).prepare(plan, seed, self.tell(plan, seed, plan.baseline))

    def tell(self, plan: RungPlan, seed: int, whose: str) -> Callable[[Step, StepProgress], None]:
        """What hands the progress of a training on."""
        return lambda step, at: self.watch(Progress(plan.name, training=Training(whose, seed, step, at)))

    @contextlib.contextmanager
    def one_baseline(self) -> Iterator[None]:
        """In here all seeds of a rung's baseline are measured in the same sandboxes, as those of a candidate are."""
        self._baseline = None
        with contextlib.ExitStack() as stack:
            self._kept = stack
            try:
                yield
            finally:
                self._kept = None

    def _measure_baseline(self, candidate: Candidate, plan: RungPlan, seed: int) -> dict[str, float]:
        tell = self.tell(plan, seed, plan.baseline)
        if self._kept is None:
            with self.measuring(plan, self.checker.screen(candidate), {}) as measure:
                return measure(seed, tell).metrics
        if self._baseline is None:
            self._baseline = self._kept.enter_context(self.measuring(plan, self.checker.screen(candidate), {}))
        return self._baseline(seed, tell).metrics
