"""`harness run`: all of a folder, one after the other; the worst exit code; nothing made where nothing can be run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from harness.cli import run as command
from harness.ladder import evaluations
from harness.ledger import Ledger
from harness.ledger.records import Decision, State

if TYPE_CHECKING:
    from pathlib import Path

    from harness.ladder.worker import WorkerConfig, WorkerSlot


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of candidates that end as their names say, without a sandbox."""
    monkeypatch.delenv("HARNESS_DATABASE_URL", raising=False)
    monkeypatch.setattr(command, "work", climb)
    monkeypatch.setattr(command, "_draw", lambda *_: None)
    (tmp_path / "losses").mkdir()
    return tmp_path


def climb(place: WorkerSlot, orders: WorkerConfig, **_: Any) -> int:
    with Ledger(orders.folder) as ledger:
        held = ledger.claim("w", slot=place.name, needs=place.needs, only=orders.only)
        if held is None:
            return 0
        if "undecided" in held.run.name:
            for _attempt in range(3):
                ledger.fault(held, "no engine", 0.0)
                held = ledger.claim("w", slot=place.name, needs=place.needs, only=orders.only) or held
        elif "bad" in held.run.name:
            ledger.reject(held, "wrong")
        else:
            told = Decision("promote", "well done")
            ledger.checkpoint(
                held, rung="bandit", scores=(), decision=told, evaluation="e", next_needs=None, ask_a_person=False
            )
    return 1


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / "losses" / f"{name}.py").write_text(f"# {name}\n")


def run(folder: Path, *more: object) -> Any:
    words = [folder / "losses", "--folder", folder / "project", *more]
    return CliRunner().invoke(command.run_command, [str(word) for word in words], env={"COLUMNS": "160"})


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (("good1", "good2"), 0),
        (("good1", "bad", "good2"), 1),
        (("bad", "undecided", "good"), 3),
        (("good",), 0),
        (("bad",), 1),
    ],
)
def test_all_of_a_folder_are_run_and_the_worst_counts(folder: Path, names: tuple[str, ...], code: int) -> None:
    put(folder, *names)
    done = run(folder)
    assert done.exit_code == code, done.output
    with Ledger(folder / "project") as ledger:
        states = {one.name: one.state for one in ledger.runs()}
    ends = {"good": State.COMPLETED, "bad": State.REJECTED, "undecided": State.FAILED}
    assert states == {name: ends[name.rstrip("12")] for name in names}
    assert ("candidates" in done.stderr) == (len(names) > 1)
    assert all(name in done.stderr for name in names)
    assert done.stdout == ""
    assert run(folder).exit_code == code, "answered from the ledger, or tried again"


def test_a_folder_without_a_candidate_or_with_an_unreadable_one_makes_nothing(folder: Path) -> None:
    from harness.core.errors import UserError

    for spoil in (lambda: None, lambda: (folder / "losses" / "link.py").symlink_to("/etc/passwd")):
        spoil()
        done = run(folder)
        assert isinstance(done.exception, UserError)
        assert done.exception.exit_code == 2
    assert not (folder / "project").exists()


def test_the_same_text_twice_is_run_once(folder: Path) -> None:
    put(folder, "good1")
    (folder / "losses" / "good2.py").write_text("# good1\n")
    assert run(folder).exit_code == 0
    with Ledger(folder / "project") as ledger:
        assert len(ledger.runs()) == 1


def test_what_is_excluded_is_not_run_and_told(folder: Path) -> None:
    put(folder, "good", "bad")
    done = run(folder, "--exclude", "bad.py", "--exclude", "nothing*")
    assert done.exit_code == 0, done.output
    with Ledger(folder / "project") as ledger:
        assert [one.name for one in ledger.runs()] == ["good"]
    assert "excluded: " in done.stderr
    assert "'nothing*' fits no candidate" in done.stderr


def test_an_answer_of_the_ledger_that_other_code_measured_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "good")
    told = "run 1 is answered from the ledger, measured by other code; --again measures it anew"
    images = ["sha256:1"]
    monkeypatch.setattr(evaluations, "_images", lambda: images)
    assert told not in run(folder).stderr, "it was measured just now"
    assert told in run(folder).stderr
    monkeypatch.setattr(evaluations, "evaluation_digest", lambda *_: "e")
    assert told not in run(folder).stderr
    monkeypatch.undo()
    images.clear()
    monkeypatch.setattr(evaluations, "_images", lambda: images)
    monkeypatch.setattr(command, "work", climb)
    monkeypatch.setattr(command, "_draw", lambda *_: None)
    assert told not in run(folder).stderr, "nobody knows"


def test_in_a_pipe_the_display_ends_with_its_line(folder: Path) -> None:
    put(folder, "good")
    lines = run(folder).stderr.splitlines()
    assert [line for line in lines if line.startswith("run 1  good ")]
