"""A worker: one place to work, one claim at a time, the lease renewed beside the work."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import HarnessError, InfrastructureError
from harness.judge.judging import run_session
from harness.judge.options import Options
from harness.ladder.climb import Ground, Progress, climb, run_label, with_remedy
from harness.ladder.footing import Footing, bench_when_it_answers
from harness.ladder.own import ladder_for
from harness.ladder.profile import Ladder, load
from harness.ladder.telling import Telling
from harness.ledger.events import LeaseLostError
from harness.ledger.holders import new_owner
from harness.ledger.patient import Patience, PatientLedger
from harness.ledger.queue import LEASE_SECONDS
from harness.ledger.states import State
from harness.oracle.engine import remove_labelled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.judge.session import Suite
    from harness.ledger import Ledger
    from harness.ledger.holders import Holder
    from harness.ledger.records import Claim, Run

#: How long the end of an attempt waits for a renewal that is under way, in seconds.
_FAREWELL = 1.0
#: How long an idle worker waits before it looks again, in seconds.
_IDLE = 0.5


@dataclass(frozen=True)
class Place:
    """Where a worker works. `name` is unique in a ledger; `gpu` is the device's number, "none" for a CPU place."""

    name: str
    needs: tuple[str, ...] = ("cpu",)
    gpu: str = "none"


@dataclass(frozen=True)
class Orders:
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


def ladder_of(ledger: Ledger, run: Run, properties: str) -> Ladder:
    """The ladder that a run climbs, if it is the very one that it was submitted for. Raises InfrastructureError."""
    ladder = ladder_for(ledger, run)
    if ladder is None:
        raise InfrastructureError(f"the ladder {run.profile} is not the one that run {run.id} was submitted for")
    if ladder.properties != properties:
        raise InfrastructureError(f"this worker judges by {properties}, and {run.profile} needs {ladder.properties}")
    return ladder


class Keeper:
    """Renews a lease from a thread of its own, so that no work, however long, lets it lapse.

    A process that is stopped stops this too: then the lease ends, another attempt takes over, and what this one
    still writes is refused.
    """

    def __init__(self, ledger: Ledger, held: Claim, lease: float) -> None:
        self._ledger, self._held, self._lease = ledger, held, lease
        self._done = threading.Event()
        self.lost = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> Keeper:  # noqa: PYI034 - it is not to be inherited from
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
                    return
            except InfrastructureError:
                continue  # the database is away: until the lease ends there is time to try again


def work(
    place: Place,
    orders: Orders,
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
    patience = Patience(orders.patience, stopping, tell)
    ladder = load(orders.ladder)
    owner = new_owner()
    climbs = 0

    def body(suite: Suite) -> None:
        nonlocal climbs
        with PatientLedger(patience, orders.folder, database=orders.database) as ledger:
            footing = Footing(bench, ledger.name, place.name, patience)
            worker = _Worker(place, orders, ledger, footing, suite, stopping, watch)
            while not stopping():
                held = ledger.claim(owner, slot=place.name, needs=place.needs, lease=orders.lease, only=orders.only)
                if held is None:
                    if _finished(ledger, orders):
                        return
                    if orders.only is not None and (holder := ledger.holder(orders.only)) is not None:
                        waiting(holder)
                    patience.wait(_IDLE)
                    continue
                climbs += 1
                ended(held.run, worker.attempt(held))

    try:
        bench = bench_when_it_answers(
            Options(profile=ladder.properties, gpu=place.gpu, runtime=orders.runtime, data_dir=orders.data_dir),
            patience,
        )
        try:
            run_session(body, bench.profile, 0)
        finally:
            bench.engine.close()
    except InfrastructureError:
        if not stopping():  # what it held comes back when its lease ends
            raise
    return climbs


@dataclass
class _Worker:
    """What all attempts of a worker share."""

    place: Place
    orders: Orders
    ledger: Ledger
    footing: Footing
    suite: Suite
    stopping: Callable[[], bool]
    watch: Callable[[Run, Progress], None]

    def attempt(self, held: Claim) -> State:
        """One attempt at a run; after a fault of ours, wait until there is sense in another one."""
        ledger = self.ledger
        fault: HarnessError | None
        with Keeper(ledger, held, self.orders.lease) as keeper:
            try:
                ground = self._ground(held, keeper)
                state = climb(ground, held)
                fault = ground.fault
            except LeaseLostError:
                return ledger.run(held.run.id).state
            except HarnessError as error:  # before the climb began
                fault = error
                try:
                    state = ledger.fault(held, with_remedy(error))
                except LeaseLostError:
                    return ledger.run(held.run.id).state
        if fault is None:
            self.footing.held()
        else:
            self.footing.slipped(self.suite, fault.message)
        return state

    def _ground(self, held: Claim, keeper: Keeper) -> Ground:
        # What is still there was left by attempts that died or were stopped: at this run, or at this place.
        remove_labelled(self.footing.bench.engine, run_label(self.ledger, held))
        self.footing.clear()
        telling = Telling(self.ledger, held)

        def watch(progress: Progress) -> None:
            telling.watch(progress)
            self.watch(held.run, progress)

        return Ground(
            self.footing.bench,
            self.suite,
            ladder_of(self.ledger, held.run, self.footing.bench.profile.name),
            self.ledger,
            self.orders.folder,
            stopping=lambda: self.stopping() or keeper.lost.is_set(),
            watch=watch,
        )


def _finished(ledger: Ledger, orders: Orders) -> bool:
    """Whether a worker that drains the queue is through with it."""
    if not orders.drain:
        return False
    if orders.only is not None:
        return ledger.run(orders.only).state not in {State.QUEUED, State.RUNNING}
    counts = ledger.counts()
    return not any(counts.get(state) for state in (State.QUEUED, State.RUNNING))
