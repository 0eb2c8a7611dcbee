"""Whether the records in an archive are those of one way up its ladder, and end where its run is said to have ended."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from crate_samples import LADDER, TEXT, archive, rejecting, resigned, run_crate, with_files

from harness.attestation import times
from harness.attestation.envelope import opened as envelope
from harness.attestation.envelope import seal
from harness.attestation.statement import LEADERBOARD, LEDGER_HEAD, NEXT_KEY, statement
from harness.attestation.verified import Verified
from harness.checks.options import Options
from harness.cli.import_run import import_command
from harness.cli.verify import verify_command
from harness.core.result import CheckReport, CheckResult
from harness.core.verdict import Screened
from harness.crate.packing import unpacked
from harness.crate.parts import RECORDS, said_in
from harness.crate.read import _off_the_way
from harness.ladder.verdict_record import verdict_statement
from harness.ledger import Ledger
from harness.ledger.records import State

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.attestation.keys import Keyring

MINE = hashlib.sha256(TEXT).hexdigest()
NEXT, STATE = "is not the record that comes next", "and its records say otherwise"


@pytest.fixture
def data(tmp_path: Path, ring: Keyring) -> bytes:
    return archive(tmp_path, ring)


def lines(data: bytes) -> list[bytes]:
    return unpacked(data)[RECORDS].splitlines(keepends=True)


def told(folder: Path, data: bytes) -> tuple[int, int, str]:
    """The exit codes of verifying it and of taking it in, and what is wrong."""
    path = folder / "run.zip"
    path.write_bytes(data)
    seen = CliRunner().invoke(verify_command, [str(path), "--forgetful"], catch_exceptions=False)
    words = [str(path), "--folder", str(folder / "ours")]
    taken = CliRunner().invoke(import_command, words, catch_exceptions=False)
    return seen.exit_code, taken.exit_code, " ".join(seen.output.split())


def changed(line: bytes, ring: Keyring, **rung: object) -> bytes:
    """The record, of another rung."""
    said = envelope(line).statement
    said["predicate"]["rung"] |= rung
    return seal(said, ring.signing())


def of_kind(kind: str, ring: Keyring, **said: Any) -> bytes:
    timed = {"time": times.spelt(times.now()), "nonce": "", **said}
    return seal(statement(kind, {"mine.py": MINE}, timed), ring.signing())


def screened(ring: Keyring) -> bytes:
    """What a screen said that was no rung's."""
    one = CheckResult("mine.py", MINE, "mine", Screened(), {}, {}, {}, {})
    return seal(verdict_statement(CheckReport("2026.2", 0, (one,)), one, Options()), ring.signing())


PLACE = {"rank": 1, "candidate": MINE, "run": 1, "rung": "t", "metric": "r", "seeds": 2, "record": ""}
BOARD = {"ladder": "ff" * 32, "name": "b", "harness": "1", "places": [{**PLACE, "mean": 1.0, "low": 1.0, "high": 1.0}]}
RECORD_LIES: dict[str, tuple[Callable[[list[bytes], Keyring], list[bytes]], str]] = {
    "no records": (lambda _, __: [], "break off"),
    "a decision without what follows": (lambda was, _: was[:2], "break off"),
    "a result alone": (lambda was, _: was[:1], "break off"),
    "less than the top": (lambda was, _: was[:6], STATE),
    "another order": (lambda was, _: [was[0], was[3], *was[1:3], *was[4:]], NEXT),
    "another ladder's rung as well": (lambda was, ring: [*was, changed(was[6], ring, ladder="ff" * 32)], NEXT),
    "another ladder's rung": (lambda was, ring: [changed(was[0], ring, ladder="ff" * 32)], NEXT),
    "a rung that its ladder lacks": (lambda was, ring: [*was[:6], changed(was[6], ring, name="cellar")], NEXT),
    "a rung of another kind": (lambda was, ring: [changed(was[0], ring, kind="bandit")], NEXT),
    "a rung at another place": (lambda was, ring: [changed(was[0], ring, position=1)], NEXT),
    "a screen's word of no rung": (lambda was, ring: [*was, screened(ring)], NEXT),
    "a head": (lambda was, ring: [*was, of_kind(LEDGER_HEAD, ring, event=1)], NEXT),
    "a leaderboard": (lambda was, ring: [*was, of_kind(LEADERBOARD, ring, **BOARD)], NEXT),
    "a next key": (lambda was, ring: [*was, of_kind(NEXT_KEY, ring, public="x")], NEXT),
}


@pytest.mark.parametrize("lie", RECORD_LIES)
def test_records_of_no_way_up_the_ladder_are_told_and_taken_in_by_nobody(
    tmp_path: Path, ring: Keyring, data: bytes, lie: str
) -> None:
    make, why = RECORD_LIES[lie]
    forged = resigned(data, ring, b"".join(make(lines(data), ring)))
    seen, taken, said = told(tmp_path, forged)
    assert (seen, taken, why in said) == (1, 1, True), said


@pytest.mark.parametrize("state", ["rejected", "running", "\x1b[31mx"])
def test_a_state_that_its_records_contradict_is_told(tmp_path: Path, ring: Keyring, data: bytes, state: str) -> None:
    seen, taken, said = told(tmp_path, resigned(data, ring, state=state))
    assert (seen, taken, STATE in said) == (1, 1, True), said


def test_a_rejected_run_is_taken_in_as_that_and_called_nothing_else(tmp_path: Path, ring: Keyring, data: bytes) -> None:
    was = lines(data)
    records = b"".join([*was[:4], rejecting(was[4], ring)])
    assert told(tmp_path, resigned(data, ring, records, state="completed"))[:2] == (1, 1)
    assert told(tmp_path, resigned(data, ring, records, state="rejected"))[:2] == (0, 0)
    with Ledger(tmp_path / "ours") as ledger:
        assert [run.state for run in ledger.runs()] == [State.REJECTED]
    assert told(tmp_path, resigned(data, ring, b"".join([records, *was[5:]]), state="rejected"))[0] == 1


def test_a_run_that_a_person_refused_or_took_out_has_said_no_lie(data: bytes) -> None:
    found = [Verified(where, statement=said_in(line)) for where, line in run_crate(data).records[:3]]
    asking = replace(LADDER, rungs=tuple(replace(plan, ask_a_person=True) for plan in LADDER.rungs))
    assert list(_off_the_way(asking, "rejected", found)) == []
    assert list(_off_the_way(LADDER, "cancelled", found)) == []
    assert STATE in "".join(_off_the_way(LADDER, "rejected", found))
    namesakes = replace(LADDER, rungs=(LADDER.rungs[0], LADDER.rungs[0]))
    assert list(_off_the_way(namesakes, "rejected", found)) == ["its ladder has two rungs of one name"]


@pytest.mark.parametrize("name", ["documents/x", "documents/cellar/left.json", "documents/screen"])
def test_a_document_of_no_rung_is_told(tmp_path: Path, ring: Keyring, data: bytes, name: str) -> None:
    seen, taken, said = told(tmp_path, resigned(data, ring, files={name: b"{}"}))
    assert (seen, taken, f"{name} is a document of no rung" in said) == (1, 1, True), said


def test_what_an_earlier_way_up_left_belongs_to_no_rung_and_is_no_lie(
    tmp_path: Path, ring: Keyring, data: bytes
) -> None:
    assert told(tmp_path, resigned(data, ring, files={"documents/earlier/run-1.json": b"{}"}))[:2] == (0, 0)


@pytest.mark.parametrize("text", [b"\xff\xfe", b"x=[", b"", b"a=" + b"[" * 100_000, b"a=" + b"9" * 5000])
def test_a_ladder_that_cannot_be_read_is_told(tmp_path: Path, ring: Keyring, data: bytes, text: bytes) -> None:
    (name,) = [name for name in unpacked(data) if name.startswith("ladder/")]
    forged = resigned(data, ring, files={name: text}, ladder=hashlib.sha256(text).hexdigest())
    seen, taken, said = told(tmp_path, forged)
    assert (seen, taken, f"{name} is nested" in said or "this is no ladder" in said) == (1, 1, True), said


def test_a_document_is_the_one_that_its_rungs_record_names(data: bytes, tmp_path: Path, ring: Keyring) -> None:
    name = f"documents/{LADDER.rungs[-1].name}/left.json"
    for change in (b"[]", None):
        seen = told(tmp_path, resigned(with_files(data, **{name: change}), ring))
        assert (seen[:2], f"{name} is missing, or not what" in seen[2]) == ((1, 1), True), seen
