"""A run of another site's ledger in this one: what its signed records say, and only once they were verified."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from crate_samples import LADDER, TEXT, archive, run_crate, with_files
from ledger_samples import rows
from sqlalchemy import delete, update

from harness.attestation import times
from harness.attestation.verify import Asked
from harness.cli.import_run import import_command
from harness.core.errors import UserError
from harness.crate.adopt import adopt
from harness.crate.packing import unpacked
from harness.ledger import Ledger
from harness.ledger.records import State
from harness.ledger.tables import metadata
from harness.ledger.verification import look

if TYPE_CHECKING:
    from pathlib import Path

    from harness.attestation.keys import Keyring


def problems(ledger: Ledger, ring: Keyring) -> list[str]:
    return look(ledger.database, ring.trusted(), Asked(times.now())).problems


def test_what_was_exported_is_there_and_verified_like_all_others(ledger: Ledger, tmp_path: Path, ring: Keyring) -> None:
    data = archive(tmp_path / "theirs", ring)
    number = adopt(ledger, run_crate(data), hashlib.sha256(data).hexdigest())
    run = ledger.run(number)
    assert (run.state, run.candidate) == (State.COMPLETED, hashlib.sha256(TEXT).hexdigest())
    assert ledger.text(run) == TEXT
    rungs = [plan.name for plan in LADDER.rungs]
    assert [rung for rung, _ in ledger.decisions(number)] == rungs
    assert {rung: [s.value for s in scores] for rung, scores in ledger.scores(number).items()} == {
        rung: [0.5 + place] for place, rung in enumerate(rungs)
    }
    assert [one["rung"] for one in ledger.promotions(number)] == rungs
    assert {one.rung for one in ledger.attachments(number)} == set(rungs)
    told = next(event for event in ledger.events(number) if event.kind == "imported")
    assert told.detail["archive"] == hashlib.sha256(data).hexdigest()
    assert b"".join(one.line for one in ledger.sealed(number)) == unpacked(data)["records.intoto.jsonl"]
    assert problems(ledger, ring) == []


@pytest.mark.parametrize("what", ["results", "decisions", "promotions", "sealed", "attachments"])
def test_what_was_taken_in_is_held_against_its_records(
    ledger: Ledger, tmp_path: Path, ring: Keyring, what: str
) -> None:
    adopt(ledger, run_crate(archive(tmp_path / "theirs", ring)), "0" * 64)
    table = metadata.tables[what]
    column = {"results": "value", "decisions": "reason", "sealed": "line"}.get(what)
    value = {"value": 9.0, "reason": "bribed", "line": b"{}\n"}.get(column or "")
    row = next(iter(table.primary_key.columns)) >= 0
    with ledger.database.writing() as connection:
        connection.execute(delete(table) if column is None else update(table).where(row).values(**{column: value}))
    assert problems(ledger, ring)


def test_a_run_is_taken_in_once(ledger: Ledger, tmp_path: Path, ring: Keyring) -> None:
    crate = run_crate(archive(tmp_path / "theirs", ring))
    number = adopt(ledger, crate, "0" * 64)
    with pytest.raises(UserError, match=f"run {number}"):
        adopt(ledger, crate, "0" * 64)
    assert len(rows(ledger, "runs")) == 1


def test_the_command_believes_nobody_whom_it_does_not_trust(
    tmp_path: Path, ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, folder = tmp_path / "run.zip", str(tmp_path / "ours")
    file.write_bytes(archive(tmp_path / "theirs", ring))
    (tmp_path / "theirs.pem").write_text(ring.signing().trusted.pem)

    def run(*words: str) -> int:
        done = CliRunner().invoke(import_command, [str(file), "--folder", folder, *words], catch_exceptions=False)
        return int(done.exit_code)

    monkeypatch.setenv("HARNESS_KEYS", str(tmp_path / "nobody"))
    assert run() == 1
    assert not (tmp_path / "ours").exists()
    honest = file.read_bytes()
    file.write_bytes(with_files(honest, **{"candidate/mine.py": b"another"}))
    assert run("--key", str(tmp_path / "theirs.pem")) == 1
    file.write_bytes(honest)
    assert run("--key", str(tmp_path / "theirs.pem")) == 0
    with Ledger(tmp_path / "ours") as ledger:
        assert [one.state for one in ledger.runs()] == [State.COMPLETED]
