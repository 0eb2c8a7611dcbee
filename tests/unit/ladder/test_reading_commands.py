"""Commands that only look make nothing: no ledger, no folder, no cache; and they say so where there is nothing."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from ledger_samples import submit
from sqlalchemy import text
from support import ROOT, harness_command

from harness.core.errors import UserError
from harness.ledger import Ledger
from harness.ledger.database import HEAD, Database, url_of

if TYPE_CHECKING:
    from pathlib import Path

#: Commands, and the exit code in a folder without anything. None: whatever this machine makes of it.
LOOKING: dict[str, int | None] = {
    "queue": 2,
    "queue --json": 2,
    "queue --watch": 2,
    "show 1": 2,
    "leaderboard": 2,
    "lineage nothing": 2,
    "judge 1 --model m --replay nowhere.jsonl": 2,
    "cancel 1": 2,
    "retry 1": 2,
    "approve 1": 2,
    "run empty": 2,
    "run missing.py": 2,
    "run empty --profile everest": 2,
    "submit empty": 2,
    "profiles": 0,
    "profiles bandit": 0,
    "rules": 0,
    "rules --markdown": 0,
    "explain P306": 0,
    "schema report": 0,
    "image list": None,
    "image verify": None,
    "doctor --help": 0,
    "check --static loss.py": None,
}


def snapshot(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def looked(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Call it in a folder of its own, with a home and a place for temporary files of its own."""
    for name in ("home", "tmp", "work/empty"):
        (folder / name).mkdir(parents=True)
    (folder / "work" / "loss.py").write_text("def loss(pc, pr, rc, rr, beta):\n    return pc - pr\n")
    home = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"}
    caches = {f"XDG_{name}_HOME": str(folder / "home" / name.lower()) for name in ("CACHE", "CONFIG", "DATA", "STATE")}
    environment = {k: v for k, v in os.environ.items() if k not in {"HARNESS_DATABASE_URL", "MPLCONFIGDIR"}}
    before = snapshot(folder)
    done = subprocess.run(
        harness_command(*command.split()),
        capture_output=True,
        text=True,
        env={**environment, **home, **caches, "PYTHONPATH": str(ROOT)},
        cwd=folder / "work",
        check=False,
        timeout=600,
    )
    made = snapshot(folder) - before
    assert not made, f"{command} made {sorted(made)}"
    return done


@pytest.mark.rest
def test_nothing_is_made_by_whoever_looks(tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    folders = {command: tmp_path / "all" / str(number) for number, command in enumerate(LOOKING)}
    with ThreadPoolExecutor(2) as pool:
        done = dict(zip(folders, pool.map(looked, folders, folders.values()), strict=True))
    for command, code in LOOKING.items():
        told = done[command].stdout + done[command].stderr
        assert "Traceback" not in told
        assert code is None or done[command].returncode == code, f"{command}: {told}"
        if code == 2:
            assert "next step: " in told, f"{command}: {told}"
    for command in ("queue", "show 1", "leaderboard", "cancel 1"):
        assert "there is no ledger at" in done[command].stderr
        assert "harness submit" in done[command].stderr


def test_a_database_that_holds_no_ledger_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("create table mine (a)")
    before = path.read_bytes()
    with pytest.raises(UserError, match="no ledger in this database"):
        Ledger(tmp_path, database=f"sqlite:///{path}", reading=True)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["other.db"]


def test_a_server_without_a_ledger_gets_none_by_a_look(database_url: str) -> None:
    match = "no ledger at" if database_url.startswith("sqlite") else "no ledger in this database"
    for _ in range(2):
        with pytest.raises(UserError, match=match):
            Database(url_of(url=database_url), reading=True)


def test_a_ledger_of_an_older_version_is_not_changed_by_a_look(ledger: Ledger, tmp_path: Path) -> None:
    """Workers of that version may be at it. What writes brings it up to date."""
    (run,) = submit(ledger)
    url = ledger.database.engine.url
    with ledger.database.writing() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '0002'")
    with pytest.raises(UserError, match=f"of the version 0002, and this harness reads {HEAD}") as raised:
        Ledger(tmp_path, database=url.render_as_string(hide_password=False), reading=True)
    assert "harness submit" in raised.value.remedy
    with ledger.database.reading() as connection:
        assert connection.exec_driver_sql("select version_num from alembic_version").scalar() == "0002"
    with ledger.database.writing() as connection:
        connection.execute(text("update alembic_version set version_num = :head"), {"head": HEAD})
    with Ledger(tmp_path, database=url.render_as_string(hide_password=False), reading=True) as looked_at:
        assert looked_at.run(run).name == "loss-0"


def test_what_only_looks_does_not_hurt_the_one_who_writes(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger, Ledger(tmp_path, reading=True) as looking:
        (run,) = submit(ledger)
        assert looking.run(run).name == "loss-0"
    assert {path.name for path in tmp_path.iterdir()} == {"ledger.db"}
