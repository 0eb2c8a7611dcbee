"""How a rung gets a candidate's metrics for a seed: in this process from the oracle, or by training."""

from __future__ import annotations

import contextlib
import json
import math
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from harness.core.errors import InfrastructureError, UserError
from harness.ladder.rungs import SEEDED
from harness.oracle.again import LAST, Kept
from harness.protocol.job import TIMES, Step
from harness.protocol.spotcheck import GPU_TOLERANCE
from harness.training.rung import KINDS, TrainingService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from harness.checks.checker import Checker
    from harness.checks.static import Screened
    from harness.core.contract import Contract
    from harness.ladder.plan import RungPlan
    from harness.protocol.batch import Answer, Batch
    from harness.protocol.job import Progress
    from harness.subject.subject import Subject
    from harness.training.steps import StepRunner

#: "process" trains with this host's own Python where there is no trainer image; "container" is the rule.
VARIABLE = "HARNESS_TRAINER"
#: Anything but empty or 0 leaves the weights of all trainings in the project's folder.
KEEP_VARIABLE = "HARNESS_KEEP_WEIGHTS"
#: How much longer than the training a sandbox may live, in seconds.
_AFTERWARDS = 120.0
#: Most points of a learning curve that are kept; a longer one is thinned out.
_POINTS = 2000


class _Served:
    """A candidate as a trainer asks it: one batch in a request, whatever is known beforehand."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    @property
    def smallest_batch(self) -> int:
        """The smallest batch that it can work with."""
        known = self._subject.known_smallest
        if known is None:
            known = self._subject.smallest_batch
            self._subject.fresh()  # what was asked to find that out is no part of the training
        return known

    @property
    def contract(self) -> Contract:
        """What it is asked with."""
        return self._subject.contract

    def answer(self, batch: Batch) -> Answer:
        """Values and gradients of one batch."""
        return self._subject.alone([batch])[0]

    def answers(self, batches: Sequence[Batch]) -> list[Answer]:
        """Those of several, in one request."""
        return self._subject.answers(batches)


@contextlib.contextmanager
def ours() -> Iterator[None]:
    """What is a user's mistake in here is a fault of ours to a queue: nobody is there who could mend it."""
    try:
        yield
    except UserError as error:
        raise InfrastructureError(error.message, remedy=error.remedy) from error


@contextlib.contextmanager
def served(checker: Checker, one: Screened, labels: dict[str, str], seconds: float) -> Iterator[_Served]:
    """A candidate in a sandbox of its own that lives as long as a training; from whatever thread."""
    total = seconds + _AFTERWARDS
    limits = replace(checker.recipe.limits, total=total, lifetime=total)
    longer = replace(checker, recipe=replace(checker.recipe, limits=limits))
    with longer.connected() as own, own.labelled(labels).oracle(one) as subject:
        yield _Served(subject)


def trainings_of(
    checker: Checker, folder: Path, labels: dict[str, str], stopping: Callable[[], bool] = lambda: False
) -> TrainingService:
    """Where and how this checker trains: in containers of the trainer image, unless HARNESS_TRAINER says otherwise.

    Raises UserError for an unknown word there, ImageMissingError where there is no trainer image.
    """
    gpu = checker.recipe.gpu
    return TrainingService(
        folder,
        _where(checker, labels),
        device="cpu" if gpu is None else "cuda",
        keep=os.environ.get(KEEP_VARIABLE, "0") not in {"", "0"},
        tolerance=0.0 if gpu is None else GPU_TOLERANCE,
        again=_again(checker),
        stopping=stopping,
        data_dir=checker.options.data_dir,
    )


def _again(checker: Checker) -> int:
    """One batch of a training in so many is asked again in a fresh sandbox; 0 for none."""
    return checker.profile.witness.training_every if checker.profile.witness is not None else 0


def in_process() -> bool:
    """Whether this host's own Python trains, by HARNESS_TRAINER. Raises UserError for an unknown word there."""
    chosen = os.environ.get(VARIABLE) or "container"
    if chosen not in {"process", "container"}:
        raise UserError(f"{VARIABLE} is {chosen!r}", remedy="set it to container or process, or unset it")
    return chosen == "process"


def _where(checker: Checker, labels: dict[str, str]) -> StepRunner:
    if in_process():
        from harness.training.process import Processes  # noqa: PLC0415 - seldom chosen

        return Processes()
    from harness.images import current  # noqa: PLC0415 - only training needs it
    from harness.training.container import Containers  # noqa: PLC0415 - as above

    image = current("trainer-cpu" if checker.recipe.gpu is None else "trainer-cuda")
    recipe = checker.labelled(labels).recipe
    return Containers(checker.engine, image.digest, gpu=recipe.gpu, labels=recipe.labels, group=recipe.group)


@dataclass
class Curve:
    """The points of a training as they come: step, units done and in all, and what was measured there."""

    points: list[tuple[str, int, int, dict[str, float]]] = field(default_factory=list)

    def add(self, step: Step, progress: Progress) -> None:
        """Take a point with numbers in. Data are made once for all: whoever made them, it is not their curve."""
        if progress.curve and step is not Step.PREPARE:
            self.points.append((str(step), progress.done, progress.total, dict(progress.curve)))
            if len(self.points) > 2 * _POINTS:
                self.points = self.points[::2]

    def as_json(self) -> bytes:
        """A list of objects; numbers that are not finite are words."""
        rows = [
            {
                "step": step,
                "done": done,
                "total": total,
                **{k: v if math.isfinite(v) else str(v) for k, v in curve.items()},
            }
            for step, done, total, curve in self.points
        ]
        return json.dumps(rows).encode()


@dataclass(frozen=True)
class Measured:
    """What a seed came to: its metrics, its learning curve as JSON, the model's answers; empty where there are none.

    `files` are the digests of what it was trained on and of the weights that it left, as JSON; `times` is what was told
    of the clock, as JSON.
    """

    metrics: dict[str, float]
    curve: bytes = b""
    samples: bytes = b""
    files: bytes = b""
    times: bytes = b""


class Measuring(contextlib.AbstractContextManager["Measuring"]):
    """Measures one candidate at one rung, seed after seed. Used in a `with`; what is opened is closed at its end.

    `name` tells the candidate and its evaluation from all others: a training that was killed goes on under it.
    """

    def __init__(
        self,
        checker: Checker,
        plan: RungPlan,
        one: Screened,
        labels: dict[str, str],
        name: str,
        trainings: Callable[[], TrainingService],
    ) -> None:
        self._checker, self._plan, self._one, self._labels, self._name = checker, plan, one, labels, name
        self._trainings = trainings
        self._stack = contextlib.ExitStack()
        self._subject: Subject | None = None
        self._second: Subject | None = None

    def __exit__(self, *_: object) -> None:
        """Close the sandbox, if there is one."""
        self._stack.close()

    def __call__(self, seed: int, say: Callable[[Step, Progress], None] = lambda _, __: None) -> Measured:
        """What a seed comes to. Raises faults as they are; a user's mistake is one of ours to a queue."""
        if self._plan.kind in KINDS:
            return self._trained(seed, say)
        if self._subject is None:
            self._subject = self._open()
        else:
            self._subject.fresh()
        again = _again(self._checker)
        if not again:
            return Measured(SEEDED[self._plan.kind](self._subject, self._plan, seed))
        kept = self._subject.oracle.kept = Kept(again, LAST)
        metrics = SEEDED[self._plan.kind](self._subject, self._plan, seed)
        # One for all seeds: what it is asked is little beside what it is held against.
        self._second = self._second or self._open()
        kept.ask(self._second.answers)
        return Measured(metrics | {"asked_again": 1.0 / again})

    def _open(self) -> Subject:
        """The candidate in a sandbox of its own, until the end."""
        return self._stack.enter_context(self._checker.labelled(self._labels).oracle(self._one))

    def _trained(self, seed: int, say: Callable[[Step, Progress], None]) -> Measured:
        if self._one.fault is not None:
            raise self._one.fault
        curve, samples = Curve(), [b""]
        files: dict[str, dict[str, str]] = {}

        def tell(step: Step, progress: Progress) -> None:
            curve.add(step, progress)
            say(step, progress)

        with ours():
            trainings = self._trainings()
            metrics = trainings.measure(
                lambda _, seconds: served(self._checker, self._one, self._labels, seconds),
                self._plan,
                seed,
                self._name,
                say=tell,
                sampled=samples.append,
                made=files.update,
            )
        # A training without the wall around it can be told from the others by whoever reads the ledger.
        # As can one whose answers were held against a fresh sandbox's, and which share of them.
        times = json.dumps({name: metrics[name] for name in sorted(TIMES & metrics.keys())}).encode()
        metrics = {name: value for name, value in metrics.items() if name not in TIMES}
        said = {"asked_again": 1.0 / trainings.again} if trainings.again else {}
        metrics = metrics | said | ({"trained_in_process": 1.0} if trainings.where.name == "process" else {})
        listed = json.dumps(files, sort_keys=True).encode()
        return Measured(metrics, curve.as_json() if curve.points else b"", samples[-1], listed, times)
