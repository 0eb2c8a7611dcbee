"""Real workers, real sandboxes, an engine of the test's own: what dies, sleeps and fills up costs nothing but time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ledger_samples import rows
from support import ROOT, harness_command
from test_faults_killed_engine import own  # noqa: F401 - a fixture
from test_ladder_faults import bad

from harness import Ledger, submit
from harness.containers.engine import Engine
from harness.ledger.records import FINAL, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from test_faults_killed_engine import OwnEngine

pytestmark = [pytest.mark.container, pytest.mark.whole]

BAD, GOOD, SLOTS, LEASE = 14, ("dpo", "slic"), 3, 5
JOBS = BAD + len(GOOD)
#: What happens when so many runs have ended.
PLAN = {
    2: "sleep",
    4: "kill a worker",
    6: "kill the engine",
    9: "fill the disk",
    11: "restart the engine",
    13: "kill all",
}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], check=False)
    if mounted.returncode:
        pytest.skip("this machine mounts no file systems")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


class Crew:
    """`harness worker` with three places, and those who work for it."""

    def __init__(self, folder: Path, log: Path, engine: str) -> None:
        self.log, self._folder, self._engine = log, folder, engine
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        words = harness_command("worker", "--slots", SLOTS, "--drain", "--lease", LEASE, "--folder", self._folder)
        inherited = {k: v for k, v in os.environ.items() if k != "HARNESS_DATABASE_URL"}
        with self.log.open("ab") as out:
            return subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=ROOT,
                env=inherited | {"DOCKER_HOST": self._engine},
            )

    def workers(self) -> list[int]:
        """The workers' processes."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(c) for c in children if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()]

    def start_again(self) -> None:
        """The command dies with all that it started, as where memory runs out for the whole group."""
        for pid in [self.process.pid, *self.workers()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = self._start()

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(600)


class Storm:
    """Does what is planned; `done` lists it."""

    def __init__(self, crew: Crew, ledger: Ledger, engine: OwnEngine, disk: Path) -> None:
        self.crew, self.ledger, self.engine, self.disk = crew, ledger, engine, disk
        self.done: list[str] = []
        self._asleep: list[tuple[int, float]] = []
        self.zombies: list[str] = []

    def blow(self, ended: int) -> None:
        """What is due when so many runs have ended."""
        for pid, until in list(self._asleep):
            if time.monotonic() > until:
                self._asleep.remove((pid, until))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        for due, what in PLAN.items():
            if ended >= due and what not in self.done and self._do(what):
                self.done.append(what)
                return

    def _do(self, what: str) -> bool:
        if what == "sleep":
            return self._sleep()
        if what == "kill a worker":
            (victim, *_) = [pid for pid in self.crew.workers() if pid not in dict(self._asleep)]
            os.kill(victim, signal.SIGKILL)
        elif what == "kill the engine":
            self.engine.kill()
            time.sleep(3.0)
            self.engine.start_again()
        elif what == "restart the engine":
            self.engine.process.terminate()
            self.engine.process.wait(600)
            self.engine.process = self.engine._start()
        elif what == "fill the disk":
            self._fill()
        elif self._asleep:
            return False  # the sleeper first wakes: it is to be refused, and not to be killed
        else:
            self.crew.start_again()
        return True

    def _sleep(self) -> bool:
        """Stop a worker that has a run; it wakes when its lease is long over."""
        for run in self.ledger.runs(states=(State.RUNNING,)):
            pid = int(str(run.owner).split("/")[1])
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.2)
            now = self.ledger.run(run.id)
            if now.state is State.RUNNING and now.owner == run.owner:
                self._asleep.append((pid, time.monotonic() + 2.5 * LEASE))
                self.zombies.append(str(run.owner))
                return True
            os.kill(pid, signal.SIGCONT)
        return False

    def _fill(self) -> None:
        before = self.crew.log.read_text().count("it waits")
        with self.ledger.database.engine.connect() as connection:  # so that the next write asks the disk for room
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.exec_driver_sql("BEGIN")
        with contextlib.suppress(OSError), (self.disk / "ballast").open("wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()
        until = time.monotonic() + 600
        while self.crew.log.read_text().count("it waits") == before:
            assert time.monotonic() < until, self.crew.log.read_text()
            time.sleep(0.1)
        (self.disk / "ballast").unlink()


def ended(ledger: Ledger) -> int:
    counts = ledger.counts()
    return sum(number for state, number in counts.items() if state in FINAL)


def test_workers_engine_and_disk_fail_and_every_run_ends_once(
    own: OwnEngine,  # noqa: F811 - the fixture
    small: Path,
    tmp_path: Path,
) -> None:
    with Ledger(small) as ledger:
        good = [ROOT / "harness" / "losses" / f"{name}.py" for name in GOOD]
        runs = [one.run for one in submit([*bad(BAD), *good], ledger=ledger)]
        crew = Crew(small, tmp_path / "log", own.url)
        storm = Storm(crew, ledger, own, small)
        said: Callable[[], str] = crew.log.read_text
        try:
            until = time.monotonic() + 900.0
            while crew.process.poll() is None:
                assert time.monotonic() < until, said()
                storm.blow(ended(ledger))
                time.sleep(0.1)
            assert crew.process.returncode == 0, said()
        finally:
            crew.end()
        assert storm.done == list(PLAN.values()), storm.done
        found = [ledger.run(run) for run in runs]
        assert {run.state for run in found} <= FINAL, said()
        states = [run.state for run in found]
        assert states.count(State.REJECTED) + states.count(State.COMPLETED) >= JOBS - 1, said()
        assert all(run.lease is None and run.owner is None for run in found)
        promotions = ledger.promotions()
        distinct = {(p["candidate"], p["profile_digest"], p["evaluation"]) for p in promotions}
        assert len(distinct) == len(promotions) == sum(run.rung for run in found)
        slept = [e for run in runs for e in ledger.events(run) if "went silent" in str(e.detail.get("reason", ""))]
        assert any(storm.zombies[0] in str(e.detail["reason"]) for e in slept)
        assert ledger.claim("last", slot="last", needs=("cpu",)) is None  # clears the places of the dead
        assert rows(ledger, "slots") == []
    connection = Engine(own.url)
    try:
        assert connection.client.containers(all=True) == []
    finally:
        connection.close()
