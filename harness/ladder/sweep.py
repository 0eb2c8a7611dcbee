"""Trainings of losses at a rung with changed settings: one for each beta and seed, each kept when it is there.

They are made as the ladder makes them, by the same oracle in the same containers, and no gate reads them. What is kept
lies in the project's folder, under the digest of the loss and of what else decides about the outcome.
"""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.candidate import read_candidate
from harness.core.errors import CandidateFault, InfrastructureError, UserError
from harness.ladder.baselines import baseline_candidate, kept_metrics, read_metrics
from harness.ladder.evaluations import evaluation_with
from harness.ladder.measuring import Measuring, trainings_of
from harness.ladder.rungs import declared_by, evaluation_digest
from harness.protocol.job import StepError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.checks.checker import Checker
    from harness.checks.static import Screened
    from harness.core.candidate import Candidate
    from harness.ladder.plan import Ladder, RungPlan
    from harness.protocol.job import Progress, Step

#: The kind of the rungs that tell reward and divergence for each beta.
KIND = "reviews"
#: Where trainings are kept, in the project's folder.
FOLDER = "sweeps"
_DIGITS = 32


@dataclass(frozen=True)
class Loss:
    """A loss by the name that it is shown by; `refusal` says why nothing can be asked of it."""

    name: str
    one: Screened
    refusal: str = ""


@dataclass(frozen=True)
class Training:
    """One training: a loss by its name, the rung with its settings, a seed."""

    loss: str
    plan: RungPlan
    seed: int


def losses_of(words: Sequence[str], checker: Checker) -> list[Loss]:
    """Screen losses, each a file, known by the file's name, or a name of the catalogue; parameters are at their middle.

    Files of one name have their digests in it. Raises UserError for what is neither, and for one that is given twice;
    what the screen refuses is told in the loss.
    """
    read: list[tuple[str, Screened]] = []
    for word in words:
        try:
            name, candidate = _read(word)
        except CandidateFault as fault:
            raise UserError(f"{word} cannot be read as a loss: {fault}", remedy="`harness check` says more") from fault
        one = checker.screen(candidate)
        if isinstance(one.fault, InfrastructureError):
            raise one.fault
        if one.sha256 in {other.sha256 for _, other in read}:
            raise UserError(f"{word} is given twice", remedy="name each loss once")
        read.append((name, one))
    shared = Counter(name for name, _ in read)
    return [
        Loss(f"{name}-{one.sha256[:8]}" if shared[name] > 1 else name, one, one.fault.message if one.fault else "")
        for name, one in read
    ]


def _read(word: str) -> tuple[str, Candidate]:
    path = Path(word)
    if path.exists() or path.is_symlink() or not word.isidentifier():
        return path.name, read_candidate(path)
    try:
        return word, baseline_candidate(word)
    except UserError as error:
        raise UserError(
            f"{word!r} is no file, and no loss of the catalogue",
            remedy="give a path, or the name of a file of harness/losses",
        ) from error


def rung_of(ladder: Ladder) -> RungPlan:
    """A ladder's last rung that tells reward and divergence, without its gate and its baseline. Raises UserError."""
    plans = [plan for plan in ladder.rungs if plan.kind == KIND]
    if not plans:
        raise UserError(
            f"no rung of {ladder.name} tells reward and divergence",
            remedy="name reviews or imdb, or a ladder of your own with a rung of that kind",
        )
    return replace(plans[-1], baseline="", gate=None)


def changed(plan: RungPlan, **settings: object) -> RungPlan:
    """The rung with other settings. Raises UserError for one that makes no sense."""
    made = replace(plan, settings=tuple(sorted({**dict(plan.settings), **settings}.items())))
    try:
        declared_by(made)
    except StepError as error:
        raise UserError(str(error), remedy=error.remedy) from error
    return made


class Sweep:
    """Makes trainings, or finds those that were made. `stopping` calls it off; what was done so far stays."""

    def __init__(
        self, checker: Checker, ladder: Ladder, folder: Path, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self._checker = replace(checker, recipe=replace(checker.recipe, stopping=stopping))
        self._ladder, self._folder, self._stopping = ladder, folder, stopping
        self._identities: dict[str, str] = {}
        self._image = str(checker.environment["image_digest"])

    def evaluation(self, training: Training, loss: Loss) -> str:
        """The digest of what decides about a training's outcome, besides the loss and the seed."""
        plan = training.plan
        if plan.name not in self._identities:
            service = trainings_of(self._checker, self._folder, {}, self._stopping)
            self._identities[plan.name] = service.identity(plan)
        digest = evaluation_digest(self._ladder, plan, self._image, self._identities[plan.name])
        return evaluation_with(digest, loss.one.program)

    def _place(self, training: Training, loss: Loss) -> Path:
        digest = self.evaluation(training, loss)[:_DIGITS]
        return self._folder / FOLDER / f"{loss.one.sha256[:_DIGITS]}-{digest}-{training.seed}.json"

    def known(self, training: Training, loss: Loss) -> dict[str, float] | None:
        """The metrics of a training that was made before."""
        return read_metrics(self._place(training, loss))

    def measure(self, training: Training, loss: Loss, say: Callable[[Step, Progress], None]) -> dict[str, float]:
        """The metrics of a training, from whatever thread. Raises faults as they are, StoppedError when called off."""

        def train() -> dict[str, float]:
            name = f"{loss.one.sha256}/{self.evaluation(training, loss)}"
            with self._checker.connected() as own:
                service = trainings_of(own, self._folder, {}, self._stopping)
                with Measuring(own, training.plan, loss.one, {}, name, lambda: service) as measuring:
                    return measuring(training.seed, say).metrics

        return kept_metrics(self._place(training, loss), train, self._stopping)


@dataclass(frozen=True)
class Watch:
    """Whom a sweep tells: of each training that was made before, goes on, or ends, and of a loss that fails."""

    known: Callable[[Training], None] = lambda _: None
    going: Callable[[Training, Step, Progress], None] = lambda *_: None
    ended: Callable[[Training, dict[str, float]], None] = lambda *_: None
    failed: Callable[[Training, CandidateFault], None] = lambda *_: None


def run_all(
    sweep: Sweep, losses: Sequence[Loss], wanted: Sequence[Training], watch: Watch, *, jobs: int = 1
) -> tuple[dict[Training, dict[str, float]], dict[str, str]]:
    """Make all trainings, `jobs` at a time, in their order; what was made before is taken.

    Gives their metrics, and why losses failed: no more is asked of one that did. Raises InfrastructureError and
    UserError as they are: what was made so far stays.
    """
    by_name = {loss.name: loss for loss in losses}
    found: dict[Training, dict[str, float]] = {}
    failed = {loss.name: loss.refusal for loss in losses if loss.refusal}
    missing, lock = [], threading.Lock()
    for training in wanted:
        if training.loss in failed:
            continue
        if (known := sweep.known(training, by_name[training.loss])) is None:
            missing.append(training)
        else:
            found[training] = known
            watch.known(training)

    def one(training: Training) -> None:
        if training.loss in failed:
            return
        try:
            metrics = sweep.measure(training, by_name[training.loss], lambda step, at: watch.going(training, step, at))
        except CandidateFault as fault:
            with lock:
                if training.loss not in failed:
                    failed[training.loss] = fault.message
                    watch.failed(training, fault)
            return
        with lock:
            found[training] = metrics
            watch.ended(training, metrics)

    with _pool(jobs) as pool:
        for done in [pool.submit(one, training) for training in missing]:
            done.result()
    return {training: found[training] for training in wanted if training in found}, failed


@contextmanager
def _pool(jobs: int) -> Iterator[ThreadPoolExecutor]:
    """Threads; what has not begun is dropped where one of them fails."""
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="sweep")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
