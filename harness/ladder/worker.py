"""A worker: one place to work, one claim at a time, the lease renewed beside the work.

It hands the progress of trainings to the ledger, every few seconds, while they run.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.checks.options import Options
from harness.containers.engine import remove_labelled
from harness.core.errors import HarnessError, InfrastructureError
from harness.core.waiting import Patience
from harness.ladder import logs
from harness.ladder.climb import climb, run_label, with_remedy
from harness.ladder.context import ClimbContext, Progress, own_signing
from harness.ladder.health import Health, checker_when_it_answers
from harness.ladder.ladder import ladder_for, load
from harness.ledger.ledger import PatientLedger
from harness.ledger.progress import Underway
from harness.ledger.queue import LEASE_SECONDS, LeaseLostError, new_owner
from harness.ledger.records import State

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.ladder.context import Training
    from harness.ladder.plan import Ladder
    from harness.ledger import Ledger
    from harness.ledger.queue import Holder
    from harness.ledger.records import Claim, Run


#: How often a training is told of, in seconds.
BETWEEN = 2.0
#: Most points of a curve; a longer one is thinned out.
_POINTS = 48


@dataclass
class _Step:
    """A step of one training, as it is told of."""

    began: float
    key: tuple[object, ...]
    told: float | None = None
    curve: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    def add(self, training: Training) -> None:
        """Take the newest points."""
        for name, value in training.at.curve.items():
            points = self.curve.setdefault(name, [])
            points.append((training.at.done, float(value)))
            if len(points) >= 2 * _POINTS:
                del points[1::2]


class ProgressWriter:
    """What a worker's climb at a run is at, for the ledger. A ledger that does not answer is not waited for."""

    def __init__(self, ledger: Ledger, held: Claim, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger, self._held, self._clock = ledger, held, clock
        self._steps: dict[tuple[str, int], _Step] = {}
        self._there = False

    def watch(self, progress: Progress) -> None:
        """Told by the climb."""
        with contextlib.suppress(InfrastructureError):
            if progress.training is not None:
                self._tell(progress.rung, progress.training)
            elif self._there and (progress.seed is not None or progress.decision is not None):
                self._ledger.over(self._held, progress.seed if progress.decision is None else None)

    def _tell(self, rung: str, training: Training) -> None:
        now, key = self._clock(), (rung, training.step)
        step = self._steps.get((training.whose, training.seed))
        if step is None or step.key != key:
            step = self._steps[training.whose, training.seed] = _Step(now, key)
        step.add(training)
        if step.told is not None and now - step.told < BETWEEN:
            return
        step.told, self._there = now, True
        at = training.at
        curve = {name: tuple(points) for name, points in step.curve.items()}
        where = (training.whose, rung, training.seed, str(training.step), at.what, at.done, at.total)
        self._ledger.tell(self._held, Underway(*where, now - step.began, curve))


#: How long the end of an attempt waits for a renewal that is under way, in seconds.
_FAREWELL = 1.0
#: How long an idle worker waits before it looks again, in seconds.
_IDLE = 0.5


@dataclass(frozen=True)
class WorkerSlot:
    """Where a worker works. `name` is unique in a ledger; `gpu` is the device's number, "none" for a CPU place."""

    name: str
    needs: tuple[str, ...] = ("cpu",)
    gpu: str = "none"


@dataclass(frozen=True)
class WorkerConfig:
    """What a worker is told: the ledger, the ladder, whether to end when the queue is empty, a run to do alone.

    `lease` and `patience` are seconds: how long a claim holds unless it is renewed, and how long a database or an
    engine that is away is waited for. `data_dir` is a folder of the user's, for rungs that train on one.
    """

    folder: Path
    ladder: str
    database: str | None = None
    drain: bool = False
    only: int | None = None
    runtime: str | None = None
    lease: float = LEASE_SECONDS
    patience: float = 120.0
    data_dir: str | None = None
    #: The recorded replies of judges, by rung, where nobody is to be asked; see `ClimbContext`.
    replies: Path | None = None
    #: The first rung that the run to do alone is not to climb; None where all are to be.
    below: int | None = None
    #: The log of worker processes; None for none.
    log: logs.Wish | None = None


def ladder_of(ledger: Ledger, run: Run, properties: str) -> Ladder:
    """The ladder that a run climbs, if it is the very one that it was submitted for. Raises InfrastructureError."""
    ladder = ladder_for(ledger, run)
    if ladder is None:
        raise InfrastructureError(f"the ladder {run.profile} is not the one that run {run.id} was submitted for")
    if ladder.properties != properties:
        raise InfrastructureError(f"this worker judges by {properties}, and {run.profile} needs {ladder.properties}")
    return ladder


class LeaseRenewer:
    """Renews a lease from a thread of its own, so that no work, however long, lets it lapse.

    A process that is stopped stops this too: then the lease ends, another attempt takes over, and what this one
    still writes is refused.
    """

    def __init__(self, ledger: Ledger, held: Claim, lease: float, log: logs.Attempt) -> None:
        self._ledger, self._held, self._lease, self._log = ledger, held, lease, log
        self._done = threading.Event()
        self.lost = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> LeaseRenewer:  # noqa: PYI034 - it is not to be inherited from
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop renewing. A renewal that waits for the database is not waited for: it is refused when it arrives."""
        self._done.set()
        self._thread.join(_FAREWELL)

    def _renew(self) -> None:
        while not self._done.wait(self._lease / 3.0):
            try:
                if not self._ledger.renew(self._held, self._lease):
                    self.lost.set()
                    self._log.lost()
                    return
                self._log.renewed()
            except InfrastructureError:
                continue  # the database is away: until the lease ends there is time to try again


def work(
    place: WorkerSlot,
    orders: WorkerConfig,
    *,
    stopping: Callable[[], bool] = lambda: False,
    watch: Callable[[Run, Progress], None] = lambda _, __: None,
    ended: Callable[[Run, State], None] = lambda _, __: None,
    tell: Callable[[str], None] = lambda _: None,
    waiting: Callable[[Holder], None] = lambda _: None,
) -> int:
    """Claim and climb until told to stop, or until the queue is empty where it is to be drained; give the climbs.

    A database or an engine that is away is waited for, as long as the orders say; `tell` hears of it. A run that is to
    be done alone and that another worker holds is waited for, too: it ends there, or is taken over when the lease has
    ended; `waiting` hears of it, twice a second. Raises InfrastructureError where nothing can be done at all: no
    image, a damaged ledger.
    """
    log = _Log(place.name, stopping, tell)
    stopping = log.stopping
    patience = Patience(orders.patience, stopping, log.tell)
    ladder = load(orders.ladder)
    owner = new_owner()
    climbs = 0

    try:
        own_signing()  # who cannot sign what is decided may not decide: told before anything is claimed
        options = Options(profile=ladder.properties, gpu=place.gpu, runtime=orders.runtime, data_dir=orders.data_dir)
        with (
            checker_when_it_answers(options, patience) as checker,
            PatientLedger(patience, orders.folder, database=orders.database) as ledger,
            Health(checker, ledger.name, place.name, patience) as health,
        ):
            worker = _Worker(place, orders, ledger, health, stopping, watch)
            while not stopping() and not _came_to(ledger, orders):
                held = ledger.claim(owner, slot=place.name, needs=place.needs, lease=orders.lease, only=orders.only)
                if held is None:
                    if _finished(ledger, orders):
                        break
                    health.supply.drop()  # nobody knows when there is work again
                    if orders.only is not None and (holder := ledger.holder(orders.only)) is not None:
                        waiting(holder)
                    patience.wait(_IDLE)
                    continue
                climbs += 1
                ended(held.run, worker.attempt(held))
    except InfrastructureError as error:
        if not stopping():  # what it held comes back when its lease ends
            logs.fault(error, place=place.name)
            raise
    log.ended(climbs)
    return climbs


class _Log:
    """What is logged of a worker between its runs."""

    def __init__(self, place: str, stopping: Callable[[], bool], tell: Callable[[str], None]) -> None:
        self._place, self._stopping, self._tell = place, stopping, tell
        self._told = threading.Lock()
        self._began = time.monotonic()

    def stopping(self) -> bool:
        """Whether it is to stop; logged once, by whoever asks first."""
        stop = self._stopping()
        if stop and self._told.acquire(blocking=False):
            logs.event("info", "told to stop", place=self._place)
        return stop

    def tell(self, what: str) -> None:
        """Log what is waited for, and tell it."""
        logs.event("warning", "waiting", place=self._place, message=what)
        self._tell(what)

    def ended(self, climbs: int) -> None:
        """It has ended, in good order."""
        logs.event("info", "ended", place=self._place, attempts=climbs, seconds=time.monotonic() - self._began)


@dataclass
class _Worker:
    """What all attempts of a worker share."""

    place: WorkerSlot
    orders: WorkerConfig
    ledger: Ledger
    health: Health
    stopping: Callable[[], bool]
    watch: Callable[[Run, Progress], None]

    def attempt(self, held: Claim) -> State:
        """One attempt at a run; after a fault of ours, wait until there is sense in another one."""
        ledger, log = self.ledger, logs.Attempt(held)
        fault: HarnessError | None
        with LeaseRenewer(ledger, held, self.orders.lease, log) as keeper:
            try:
                context = self._context(held, keeper, log)
                state = climb(context, held)
                fault = context.fault
            except LeaseLostError:
                return self._lost(held, log)
            except HarnessError as error:  # before the climb began
                fault = error
                try:
                    state = ledger.fault(held, with_remedy(error))
                except LeaseLostError:
                    return self._lost(held, log)
        if fault is None:
            log.ended(state)
            self.health.held()
        else:
            log.failed(fault)
            log.ended(state)
            self.health.on_fault(fault.message)
        return state

    def _lost(self, held: Claim, log: logs.Attempt) -> State:
        """Another attempt has the run: its state is what that one makes of it."""
        state = self.ledger.run(held.run.id).state
        log.ended(state)
        return state

    def _context(self, held: Claim, keeper: LeaseRenewer, log: logs.Attempt) -> ClimbContext:
        # What is still there was left by attempts that died or were stopped: at this run, or at this place.
        remove_labelled(self.health.checker.engine, run_label(self.ledger, held))
        self.health.clear()
        telling = ProgressWriter(self.ledger, held)

        def watch(progress: Progress) -> None:
            telling.watch(progress)
            log.watch(progress)
            self.watch(held.run, progress)

        return ClimbContext(
            self.health.checker,
            ladder_of(self.ledger, held.run, self.health.checker.profile.name),
            self.ledger,
            self.orders.folder,
            stopping=lambda: self.stopping() or keeper.lost.is_set(),
            watch=watch,
            replies=self.orders.replies,
            more=self.orders.only is None and bool(self.ledger.counts().get(State.QUEUED)),
            below=self.orders.below,
        )


def _came_to(ledger: Ledger, orders: WorkerConfig) -> bool:
    """Whether the run to do alone stands at the first rung that is not to be climbed."""
    return orders.only is not None and orders.below is not None and ledger.run(orders.only).rung >= orders.below


def _finished(ledger: Ledger, orders: WorkerConfig) -> bool:
    """Whether a worker that drains the queue is through with it."""
    if not orders.drain:
        return False
    if orders.only is not None:
        return ledger.run(orders.only).state not in {State.QUEUED, State.RUNNING}
    counts = ledger.counts()
    return not any(counts.get(state) for state in (State.QUEUED, State.RUNNING))
