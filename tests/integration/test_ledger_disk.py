"""Full disks and lost power: what was not committed did not happen, and all that was said to be there is there."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from ledger_fleet import Fleet, check, unfinished
from ledger_postgres import running
from ledger_samples import RUNGS, submit

from harness.ledger import Ledger
from harness.ledger.failures import LedgerError
from harness.ledger.records import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.rest


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def fleet(tmp_path: Path, url: str) -> Iterator[Fleet]:
    made = Fleet(tmp_path, url)
    yield made
    made.end()


def test_a_full_disk_stops_a_worker_and_harms_nothing(fleet, url):
    with Ledger(fleet.folder, database=url) as ledger:
        jobs = submit(ledger, range(60))
        with ledger.database.engine.connect() as connection:
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.exec_driver_sql("BEGIN")
        full = fleet.start("small-disk")
        end = time.monotonic() + 600
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


def test_killed_in_the_middle_of_commits_the_ledger_opens_and_has_all_it_said_it_had(fleet, url, tmp_path):
    draw = random.Random(5)  # noqa: S311 - the same moments each time
    with Ledger(tmp_path, database=url) as ledger:
        submit(ledger, range(2000))
    for _ in range(30):
        before = len(fleet.said)
        name = fleet.start(lease=0.2)
        end = time.monotonic() + 600
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


def test_a_server_that_loses_its_power_has_all_it_said_it_had(tmp_path):
    with running() as server, Ledger(tmp_path, database=server.database()) as ledger:
        submit(ledger, range(2000))
        fleet = Fleet(tmp_path, ledger.database.engine.url.render_as_string())
        fleet.start()
        for _ in range(6):
            before = len(fleet.said)
            end = time.monotonic() + 600
            while not any(line.startswith("committed") for line in fleet.said[before:]) and time.monotonic() < end:
                time.sleep(0.01)
            server.stop(signal.SIGQUIT)
            server.start()
        fleet.end()
        kept = {(p["run"], p["rung"]) for p in ledger.promotions()}
        told = {tuple(map(int, line.split()[1:])) for line in fleet.said if line.startswith("committed")}
        assert len(told) >= 6
        assert {(run, RUNGS[rung]) for run, rung in told} <= kept
