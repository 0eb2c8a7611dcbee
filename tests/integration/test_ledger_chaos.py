"""Workers that are killed and stopped, servers that are restarted: nothing is lost, or done twice for credit."""

from __future__ import annotations

import contextlib
import random
import signal
import time
from typing import TYPE_CHECKING

import pytest
from ledger_fleet import LEASE, Fleet, check, unfinished
from ledger_postgres import running
from ledger_samples import PROFILE, candidate, submit
from sqlalchemy.exc import OperationalError

from harness.ledger import Ledger
from harness.ledger.failures import LedgerError
from harness.ledger.queue import MOST_FAULTS
from harness.ledger.records import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger_postgres import Postgres

pytestmark = pytest.mark.rest

JOBS, WORKERS = 200, 3


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server that is not shared: it is going to be restarted."""
    with running() as own:
        yield own


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.whole)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    made: str = request.getfixturevalue("server").database()
    return made


@pytest.fixture
def fleet(tmp_path: Path, url: str) -> Iterator[Fleet]:
    made = Fleet(tmp_path, url)
    yield made
    made.end()


@contextlib.contextmanager
def patient(seconds: float) -> Iterator[None]:
    """The database may be away for a moment."""
    try:
        yield
    except LedgerError:
        time.sleep(seconds)


class Storm:
    """What happens to a fleet: deaths, sleeps, restarts of the server."""

    def __init__(self, fleet: Fleet, server: Postgres | None) -> None:
        self.fleet, self.server = fleet, server
        self.draw = random.Random(4)  # noqa: S311 - the same storm each time
        self.sleeping: dict[str, float] = {}
        self.restarts = self.slept = 0
        self._following = time.monotonic() + 2.0

    def blow(self, left: int) -> None:
        """Do what is due while so many jobs are left."""
        for name in self.fleet.dead():
            self._replace(name)
        for name in [name for name, until in self.sleeping.items() if time.monotonic() > until]:
            self.wake(name)
        awake = [name for name in self.fleet.alive if name not in self.sleeping]
        if not awake or time.monotonic() < self._following:
            return
        self._following = time.monotonic() + self.draw.uniform(0.3, 1.2)
        name = self.draw.choice(awake)
        if self.slept < 4 or self.draw.random() < 0.4:
            self.fleet.signal(name, signal.SIGSTOP)
            self.sleeping[name] = time.monotonic() + 2.5 * LEASE
            self.slept += 1
        else:
            self._replace(name)
        if self.server is not None and self.restarts < 2 and left < JOBS * (0.8 - 0.3 * self.restarts):
            self._restart(self.server)

    def wake(self, name: str) -> None:
        """A zombie rises."""
        del self.sleeping[name]
        if name in self.fleet.alive:
            self.fleet.signal(name, signal.SIGCONT)

    def _replace(self, name: str) -> None:
        self.fleet.kill(name)
        self.fleet.start()

    def _restart(self, server: Postgres) -> None:
        server.stop(signal.SIGQUIT if self.restarts else signal.SIGINT)
        time.sleep(0.5)
        server.start()
        self.restarts += 1


def test_workers_die_and_sleep_and_every_job_ends_once(fleet, url, request):
    server = request.getfixturevalue("server") if url.startswith("postgresql") else None
    storm = Storm(fleet, server)
    with Ledger(fleet.folder, database=url) as ledger:
        jobs = submit(ledger, range(JOBS))
        poison = ledger.submit([(candidate(JOBS)[0], "poison")], **PROFILE, needs="cpu", priority=1)[0].run
        for _ in range(WORKERS):
            fleet.start()
        end = time.monotonic() + 900.0
        left = JOBS + 1
        while left and time.monotonic() < end:
            time.sleep(0.05)
            storm.blow(left)
            with patient(0.1):
                left = unfinished(ledger)
        for name in list(storm.sleeping):
            storm.wake(name)
        time.sleep(0.5)
        fleet.end()
        assert left == 0, ledger.counts()
        ended = check(ledger, [*jobs, poison], fleet.said)
        assert ledger.run(poison).state is State.FAILED
        assert "went silent" in ledger.run(poison).reason
        assert ended[State.COMPLETED] >= 0.9 * JOBS
        assert set(ended) <= {State.COMPLETED, State.FAILED}
        assert storm.slept >= 2
        assert fleet.names > WORKERS + MOST_FAULTS
        assert server is None or storm.restarts == 2


def writable(ledger: Ledger) -> bool:
    """Whether nobody sleeps over the only place of a writer."""
    try:
        with ledger.database.engine.connect() as connection, connection.execution_options(harness_patience=1.0).begin():
            return True
    except OperationalError:
        return False


@pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)
def test_a_worker_that_sleeps_through_its_lease_is_refused_when_it_wakes(fleet, url):
    with Ledger(fleet.folder, database=url) as ledger:
        run = submit(ledger)[0]
        zombie, taken = None, 0
        while zombie is None:  # stopped while it has the run, and outside of a transaction: a few tries
            name = fleet.start(lease=0.3)
            while ledger.run(run).state is State.QUEUED:
                time.sleep(0.001)
            fleet.signal(name, signal.SIGSTOP)
            time.sleep(0.5)
            if ledger.run(run).state is State.RUNNING and writable(ledger):
                zombie = name
                break
            fleet.kill(name)
            run = submit(ledger, [fleet.names])[0]
        held = None
        while held is None or held.run.id != run:  # those of the tries before come back to the queue as well
            taken += 1
            held = ledger.claim("next", slot=f"next/{taken}", needs=("cpu",), back_off=0.0)
        assert held.attempt == 2
        fleet.signal(zombie, signal.SIGCONT)
        end = time.monotonic() + 600
        while not any(line.startswith("refused") for line in fleet.said) and time.monotonic() < end:
            time.sleep(0.05)
        assert f"refused {run} 1" in fleet.said
        assert ledger.run(run).attempt == 2
        assert all(p["attempt"] == 1 for p in ledger.promotions(run))
