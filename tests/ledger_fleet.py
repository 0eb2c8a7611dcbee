"""Worker processes for the tests that kill them, and what has to hold after whatever happened."""

from __future__ import annotations

import collections
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from ledger_samples import RUNGS, rows

from harness.ledger.records import FINAL, State

if TYPE_CHECKING:
    import signal

    from harness.ledger import Ledger

WORKER = Path(__file__).parent / "ledger_worker.py"
LEASE = 1.0


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
