"""Workers that are killed and stopped, servers that are restarted, a full disk, power losses: nothing is lost or done
twice for credit.
"""

from __future__ import annotations

import collections
import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ledger_postgres import running
from ledger_samples import PROFILE, RUNGS, candidate, rows, submit

from harness.ledger import Ledger
from harness.ledger.failures import LedgerError
from harness.ledger.queue import MOST_FAULTS
from harness.ledger.states import FINAL, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger_postgres import Postgres

pytestmark = pytest.mark.long

WORKER = Path(__file__).parent.parent / "ledger_worker.py"
JOBS, WORKERS, LEASE = 200, 3, 1.0


class Fleet:
    """Worker processes: started, killed, stopped and woken, and what they said."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.alive: dict[str, subprocess.Popen[bytes]] = {}
        self.said: list[str] = []
        self.names = 0
        self._readers: list[threading.Thread] = []

    def start(self, kind: str = "plain", lease: float = LEASE) -> str:
        """One worker more, under a new name."""
        self.names += 1
        name = f"w{self.names}"
        paths = os.pathsep.join([str(WORKER.parent), str(WORKER.parent.parent)])
        process = subprocess.Popen(
            [sys.executable, WORKER, self.folder, self.url, name, str(lease), kind],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths},
        )
        self.alive[name] = process
        reader = threading.Thread(target=self._read, args=(process,))
        reader.start()
        self._readers.append(reader)
        return name

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.said.append(line.decode().strip())
        process.stdout.close()

    def kill(self, name: str) -> None:
        """No farewell."""
        process = self.alive.pop(name)
        process.kill()
        process.wait()

    def signal(self, name: str, what: signal.Signals) -> None:
        self.alive[name].send_signal(what)

    def dead(self) -> list[str]:
        """Those that a job killed."""
        return [name for name, process in self.alive.items() if process.poll() is not None]

    def end(self) -> None:
        for name in list(self.alive):
            self.kill(name)
        for reader in self._readers:
            reader.join()


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server that is not shared: it is going to be restarted."""
    with running() as own:
        yield own


@pytest.fixture(params=["sqlite", "postgresql"])
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


def unfinished(ledger: Ledger) -> int:
    counts = ledger.counts()
    return sum(number for state, number in counts.items() if state not in FINAL)


def check(ledger: Ledger, runs: list[int], said: list[str]) -> collections.Counter[State]:
    """What holds after whatever happened."""
    with ledger.database.writing() as connection:  # what killed workers left is cleared by the next claim
        connection.exec_driver_sql("update slots set lease = 0")
    assert ledger.claim("last", slot="last", needs=("cpu",)) is None
    assert rows(ledger, "slots") == []
    found = {run: ledger.run(run) for run in runs}
    assert all(run.state in FINAL and run.lease is None and run.owner is None for run in found.values())
    promotions = ledger.promotions()
    distinct = {(p["candidate"], p["profile_digest"], p["evaluation"]) for p in promotions}
    assert len(distinct) == len(promotions) == sum(run.rung for run in found.values())
    for run in found.values():
        rungs = [p["rung"] for p in promotions if p["run"] == run.id]
        assert rungs == list(RUNGS[: run.rung])
        assert (run.rung == len(RUNGS)) == (run.state is State.COMPLETED)
    kept = {(p["run"], p["rung"]) for p in promotions}
    told = [line.split()[1:] for line in said if line.startswith("committed")]
    assert {(int(run), RUNGS[int(rung)]) for run, rung in told} <= kept
    assert len({tuple(words) for words in told}) == len(told)  # and no rung twice
    return collections.Counter(run.state for run in found.values())


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
        end = time.monotonic() + 240.0
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


@pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)
def test_a_worker_that_sleeps_through_its_lease_is_refused_when_it_wakes(fleet, url):
    with Ledger(fleet.folder, database=url) as ledger:
        run = submit(ledger)[0]
        zombie = None
        while zombie is None:  # stopped while it has the run, and outside of a transaction: a few tries
            name = fleet.start(lease=0.3)
            while ledger.run(run).state is State.QUEUED:
                time.sleep(0.001)
            fleet.signal(name, signal.SIGSTOP)
            time.sleep(0.5)
            if ledger.run(run).state is State.RUNNING:
                zombie = name
                break
            fleet.kill(name)
            run = submit(ledger, [fleet.names])[0]
        held = None
        while held is None:
            held = ledger.claim("next", slot="next", needs=("cpu",), back_off=0.0)
        assert (held.run.id, held.attempt) == (run, 2)
        fleet.signal(zombie, signal.SIGCONT)
        end = time.monotonic() + 20
        while not any(line.startswith("refused") for line in fleet.said) and time.monotonic() < end:
            time.sleep(0.05)
        assert f"refused {run} 1" in fleet.said
        assert ledger.run(run).attempt == 2
        assert all(p["attempt"] == 1 for p in ledger.promotions(run))


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_full_disk_stops_a_worker_and_harms_nothing(fleet, url):
    with Ledger(fleet.folder, database=url) as ledger:
        jobs = submit(ledger, range(60))
        with ledger.database.engine.connect() as connection:
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.exec_driver_sql("BEGIN")
        full = fleet.start("small-disk")
        end = time.monotonic() + 60
        while not any("ledger-error" in line for line in fleet.said) and time.monotonic() < end:
            time.sleep(0.05)
        told = next(line for line in fleet.said if "ledger-error" in line)
        assert "full" in told
        assert "nothing that was committed is lost" in told
        fleet.kill(full)
        fleet.start()  # there is room again
        while unfinished(ledger) and time.monotonic() < end:
            time.sleep(0.1)
        fleet.end()
        assert check(ledger, jobs, fleet.said)[State.COMPLETED] == len(jobs)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
def test_a_disk_that_is_full_for_all_is_said_and_survived(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small], check=False).returncode:
        pytest.skip("this machine mounts no file systems")
    try:
        with Ledger(small) as ledger:
            kept = submit(ledger, range(50))
            (small / "other").write_bytes(bytes(small_rest(small)))
            with pytest.raises(LedgerError, match="full") as told:
                submit(ledger, range(50, 5000))
            assert "make room" in told.value.remedy
            with pytest.raises(LedgerError, match="No space"):
                ledger.artifacts.put(os.urandom(100_000))
            assert [p for p in (small / "artifacts").rglob("*") if p.is_file()] == []
            (small / "other").unlink()
            assert ledger.runs(limit=50)[0].id == kept[0]
            assert submit(ledger, range(60))[:50] == kept
        assert integrity(small / "ledger.db") == "ok"
    finally:
        subprocess.run(["umount", small], check=True)


def small_rest(folder: Path) -> int:
    """Nearly all bytes that are free."""
    return max(shutil.disk_usage(folder).free - 300_000, 0)


def integrity(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        told: str = connection.execute("PRAGMA integrity_check").fetchone()[0]
        return told


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_killed_in_the_middle_of_commits_the_ledger_opens_and_has_all_it_said_it_had(fleet, url, tmp_path):
    draw = random.Random(5)  # noqa: S311 - the same moments each time
    with Ledger(tmp_path, database=url) as ledger:
        submit(ledger, range(2000))
    for _ in range(30):
        before = len(fleet.said)
        name = fleet.start(lease=0.2)
        end = time.monotonic() + 30
        while len(fleet.said) == before and time.monotonic() < end:
            time.sleep(0.002)
        time.sleep(draw.uniform(0.0, 0.06))
        fleet.kill(name)
        assert integrity(tmp_path / "ledger.db") == "ok"
    fleet.end()
    with Ledger(tmp_path, database=url) as ledger:
        kept = {(p["run"], p["rung"]) for p in ledger.promotions()}
        told = {tuple(map(int, line.split()[1:])) for line in fleet.said if line.startswith("committed")}
        assert len(told) >= 30
        assert {(run, RUNGS[rung]) for run, rung in told} <= kept


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_server_that_loses_its_power_has_all_it_said_it_had(fleet, url, server, tmp_path):
    with Ledger(tmp_path, database=url) as ledger:
        submit(ledger, range(2000))
        fleet.start()
        for _ in range(6):
            before = len(fleet.said)
            end = time.monotonic() + 30
            while not any(line.startswith("committed") for line in fleet.said[before:]) and time.monotonic() < end:
                time.sleep(0.01)
            server.stop(signal.SIGQUIT)
            server.start()
        fleet.end()
        kept = {(p["run"], p["rung"]) for p in ledger.promotions()}
        told = {tuple(map(int, line.split()[1:])) for line in fleet.said if line.startswith("committed")}
        assert len(told) >= 6
        assert {(run, RUNGS[rung]) for run, rung in told} <= kept
