"""The journal: on the disk before anything follows, and readable whatever a kill left of its last line."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from harness.core.errors import InfrastructureError, UserError
from harness.discover.journal import JOURNAL, SCHEMA, Journal, find_run, new_run, read_entries

if TYPE_CHECKING:
    from pathlib import Path


def written(path: Path) -> Path:
    with Journal(path) as journal:
        journal.record("head", schema=SCHEMA)
        journal.record("ask", digest="a")
        journal.record("reply", text="x\udc80\u202e", number=float("nan"))
        journal.record("duel", seed=1)
    return path


def test_what_was_written_is_remembered_in_order(tmp_path: Path) -> None:
    with Journal(written(tmp_path / "j")) as journal:
        assert journal.head == {"kind": "head", "schema": SCHEMA}
        assert journal.recall("ask") == {"kind": "ask", "digest": "a"}
        told = journal.recall("reply")
        assert told is not None
        assert told["number"] == "nan"
        assert journal.recall("ask") is None
        assert journal.beside("duel") == [{"kind": "duel", "seed": 1}]
        journal.record("ask", digest="b")
    assert [entry["kind"] for entry in read_entries(tmp_path / "j")] == ["head", "ask", "reply", "duel", "ask"]


def test_every_cut_of_the_file_is_read_up_to_its_last_whole_line(tmp_path: Path) -> None:
    data = written(tmp_path / "j").read_bytes()
    whole = data.splitlines(keepends=True)
    for length in range(len(data)):
        path = tmp_path / "cut"
        path.write_bytes(data[:length])
        with Journal(path) as journal:
            lines = data[:length].count(b"\n")
            assert len(journal.entries) == lines
        assert path.read_bytes() == b"".join(whole[:lines]), "a torn line is gone before the next is written"


def test_each_entry_is_synced_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    path = tmp_path / "j"
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(path.read_bytes()))
    with Journal(path) as journal:
        journal.record("head", schema=SCHEMA)
        journal.record("ask", digest="a")
    assert [data.count(b"\n") for data in synced] == [1, 2]


def test_two_processes_do_not_write_one_run(tmp_path: Path) -> None:
    with Journal(tmp_path / "j"), pytest.raises(UserError, match="another process"):
        Journal(tmp_path / "j")
    Journal(tmp_path / "j").__exit__()


def test_another_step_than_the_journal_has_is_refused(tmp_path: Path) -> None:
    with Journal(written(tmp_path / "j")) as journal:
        with pytest.raises(UserError, match="'reply' is due"):
            journal.recall("reply")
        with pytest.raises(InfrastructureError, match="already"):
            journal.record("ask", digest="z")


@pytest.mark.parametrize(
    "data", [b"{}\n", b"[]\n", b"x\n", b'{"kind": 3}\n', b'{"kind": "head"}\n', b"\xff\n", b"[" * 9999 + b"\n"]
)
def test_a_file_that_is_no_journal_is_refused_and_left_alone(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "j"
    path.write_bytes(data)
    with pytest.raises(UserError):
        Journal(path)
    assert path.read_bytes() == data
    with pytest.raises(UserError):
        read_entries(path)


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "j")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"{damaged\n" + lines[2])
    with pytest.raises(UserError, match="line 2"):
        Journal(path)


def test_runs_are_numbered_and_found(tmp_path: Path) -> None:
    first, second = new_run(tmp_path), new_run(tmp_path)
    assert (first.name, second.name) == ("run-1", "run-2")
    (first / JOURNAL).write_text(json.dumps({"kind": "head"}))
    assert find_run(tmp_path, "run-1") == first
    assert find_run(tmp_path, str(first)) == first
    for missing in ("run-2", "run-9", "..", "/"):
        with pytest.raises(UserError, match="no run"):
            find_run(tmp_path, missing)


def test_where_no_runs_can_lie_is_the_users_to_change(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "discover")
    with pytest.raises(UserError, match="cannot be a folder"):
        new_run(tmp_path)
