"""A worker: one place to work, one claim at a time, the lease renewed beside the work."""

from __future__ import annotations

import os
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import HarnessError, InfrastructureError
from harness.judge.judging import run_session
from harness.judge.options import Options
from harness.judge.pipeline import open_bench
from harness.ladder.climb import Ground, Progress, climb, run_label
from harness.ladder.profile import Ladder, load
from harness.ledger import Ledger
from harness.ledger.events import LeaseLostError
from harness.ledger.queue import LEASE_SECONDS
from harness.ledger.states import State
from harness.oracle.engine import remove_labelled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.judge.pipeline import Bench
    from harness.judge.session import Suite
    from harness.ledger.records import Claim, Run

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
    """What a worker is told: the ledger, the ladder, whether to end when the queue is empty, a run to do alone."""

    folder: Path
    ladder: str
    database: str | None = None
    drain: bool = False
    only: int | None = None
    runtime: str | None = None
    lease: float = LEASE_SECONDS


def ladder_of(run: Run, properties: str) -> Ladder:
    """The ladder that a run climbs, if it is the very one that it was submitted for. Raises InfrastructureError."""
    ladder = load(run.profile)
    if ladder.digest != run.profile_digest:
        raise InfrastructureError(f"the ladder {run.profile} is not the one that run {run.id} was submitted for")
    if ladder.properties != properties:
        raise InfrastructureError(f"this worker judges by {properties}, and {run.profile} needs {ladder.properties}")
    return ladder


def owner_name() -> str:
    """Host and number of this process, as leases name it."""
    return f"{socket.gethostname()}/{os.getpid()}"


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
        """Stop renewing."""
        self._done.set()
        self._thread.join()

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
) -> int:
    """Claim and climb until told to stop, or until the queue is empty where it is to be drained; give the climbs.

    Raises InfrastructureError where nothing can be done at all: no engine, no image, no database.
    """
    ladder = load(orders.ladder)
    bench = open_bench(Options(profile=ladder.properties, gpu=place.gpu, runtime=orders.runtime))
    climbs = 0

    def body(suite: Suite) -> None:
        nonlocal climbs
        with Ledger(orders.folder, database=orders.database) as ledger:
            while not stopping():
                held = ledger.claim(
                    owner_name(), slot=place.name, needs=place.needs, lease=orders.lease, only=orders.only
                )
                if held is None:
                    if _finished(ledger, orders):
                        return
                    time.sleep(_IDLE)
                    continue
                climbs += 1
                ended(held.run, _attempt(ledger, bench, suite, orders, held, stopping, watch))

    try:
        run_session(body, bench.profile, 0)
    finally:
        bench.engine.close()
    return climbs


def _attempt(
    ledger: Ledger,
    bench: Bench,
    suite: Suite,
    orders: Orders,
    held: Claim,
    stopping: Callable[[], bool],
    watch: Callable[[Run, Progress], None],
) -> State:
    remove_labelled(bench.engine, run_label(ledger, held))  # what an attempt left that died or was stopped
    with Keeper(ledger, held, orders.lease) as keeper:
        try:
            ladder = ladder_of(held.run, bench.profile.name)
        except HarnessError as error:
            return ledger.fault(held, error.message)
        ground = Ground(
            bench,
            suite,
            ladder,
            ledger,
            orders.folder,
            stopping=lambda: stopping() or keeper.lost.is_set(),
            watch=lambda progress: watch(held.run, progress),
        )
        try:
            return climb(ground, held)
        except LeaseLostError:
            return ledger.run(held.run.id).state


def _finished(ledger: Ledger, orders: Orders) -> bool:
    """Whether a worker that drains the queue is through with it."""
    if not orders.drain:
        return False
    if orders.only is not None:
        return ledger.run(orders.only).state not in {State.QUEUED, State.RUNNING}
    counts = ledger.counts()
    return not any(counts.get(state) for state in (State.QUEUED, State.RUNNING))
