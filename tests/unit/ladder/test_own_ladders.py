"""Ladders of the user's own: read from a file, kept in the ledger, found by their digest."""

from __future__ import annotations

import hashlib
import importlib.resources
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from harness.api import submit, text_candidate
from harness.core.errors import InfrastructureError, UserError
from harness.ladder.ladder import ladder_for, load
from harness.ladder.worker import ladder_of
from harness.ledger import Ledger
from harness.ledger.failures import LedgerError
from harness.ledger.tables import artifacts

if TYPE_CHECKING:
    from pathlib import Path

BANDIT = importlib.resources.files("harness.ladder.profiles").joinpath("bandit-2026.1.toml").read_text("utf-8")
TEXT = "def loss(pc, pr, rc, rr, beta):\n    return -beta * (pc - pr - rc + rr)\n"


def written(folder: Path, name: str = "mine-1", old: str = "steps = 150", new: str = "steps = 60") -> Path:
    path = folder / "mine.toml"
    path.write_text(BANDIT.replace('name = "bandit-2026.1"', f'name = "{name}"').replace(old, new), "utf-8")
    return path


def test_a_file_is_read_and_known_by_its_digest(tmp_path: Path) -> None:
    path = written(tmp_path)
    ladder = load(str(path))
    assert (ladder.name, ladder.source) == ("mine-1", str(path))
    assert ladder.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert load(ladder.source) == ladder
    assert load("bandit").source == load("bandit").name
    assert load("bandit").own == b""


@pytest.mark.parametrize("name", ["bandit-2026.1", "Mine", "a b", "", "x" * 61, "-a", "a/b"])
def test_a_name_that_stands_for_another_or_cannot_be_kept_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot be called"):
        load(str(written(tmp_path, name)))


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        load(str(tmp_path / "nowhere.toml"))
    path = tmp_path / "bad.toml"
    path.write_text("name = 1\n")
    with pytest.raises(UserError, match="no ladder"):
        load(str(path))
    with pytest.raises(UserError, match="no ladder") as error:
        load("everest")
    assert error.value.remedy.endswith("or a .toml file")


def test_a_worker_finds_it_in_the_ledger_when_the_file_is_gone_or_changed(tmp_path: Path) -> None:
    path = written(tmp_path)
    ladder = load(str(path))
    with Ledger(tmp_path) as ledger:
        number = submit([text_candidate(TEXT)], ledger=ledger, profile=str(path))[0].run
        written(tmp_path, new="steps = 61")
        again = submit([text_candidate(TEXT)], ledger=ledger, profile=str(path))[0]
        assert again.fresh, "another ladder, though it has the name"
        path.unlink()
        run = ledger.run(number)
        assert run.profile == "mine-1"
        found = ladder_of(ledger, run, "2026.1")
        assert (found.rungs, found.digest) == (ladder.rungs, ladder.digest)
        with pytest.raises(InfrastructureError, match="judges by"):
            ladder_of(ledger, run, "another")


def test_one_that_nobody_kept_or_that_was_changed_is_not_climbed(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        entry = (text_candidate(TEXT), "x")
        sent = ledger.submit([entry], profile="mine-1", profile_digest="d" * 64, needs="cpu")[0]
        assert ladder_for(ledger, ledger.run(sent.run)) is None
        with pytest.raises(InfrastructureError, match="not the one"):
            ladder_of(ledger, ledger.run(sent.run), "2026.1")
        forged = ledger.submit([entry], profile="bandit-2026.1", profile_digest="d" * 64, needs="cpu")[0]
        assert ladder_for(ledger, ledger.run(forged.run)) is None
        number = submit([text_candidate(TEXT)], ledger=ledger, profile=str(written(tmp_path)))[0].run
        with ledger.database.writing() as connection:
            connection.execute(update(artifacts).values(data=b"no longer zlib"))
        with pytest.raises(LedgerError, match="no longer what it was"):
            ladder_for(ledger, ledger.run(number))
