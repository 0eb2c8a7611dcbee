"""The journal of a run: JSON lines that are on the disk before anything follows from them; and the folders of runs.

What was asked is written before the call, the reply after it and before it is read. A killed run is gone through again
from the beginning with the journal as its memory: each step that is written down is answered from it.

Each run has a folder under the project's own, with its journal, candidates, pictures and summary.
"""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any, Self

from harness.core.errors import InfrastructureError, UserError
from harness.core.files import LARGE, NotAFileError, TooLargeError
from harness.ledger.records import plain
from harness.llm.lines import Lines

SCHEMA = "harness.discovery/v1"
#: Entries that follow one another in the same order whenever a run is gone through again. Others stand beside them.
STEPS = frozenset({"burn-in", "ask", "reply", "judged"})
#: The journal, and how the run was asked for in this place: paths are nobody's business who reads the journal.
JOURNAL, ASKED = "journal.jsonl", "asked.json"
_MOST = 100_000


class Steps:
    """What was written down of a run, to be gone through again. `entries` are all of it, the head first."""

    def __init__(self, path: Path, entries: list[dict[str, Any]]) -> None:
        self.path, self.entries = path, entries
        self._left = deque(entry for entry in entries if entry["kind"] in STEPS)

    @property
    def head(self) -> dict[str, Any] | None:
        """What the run was begun with; None for a new journal."""
        return self.entries[0] if self.entries else None

    @property
    def due(self) -> dict[str, Any] | None:
        """The next step, which is not taken from here; None where all were taken."""
        return self._left[0] if self._left else None

    def recall(self, kind: str) -> dict[str, Any] | None:
        """The next step, if it is written down. Raises UserError where another kind of step comes next."""
        if not self._left:
            return None
        if self._left[0]["kind"] != kind:
            raise UserError(
                f"{self.path}: a step {kind!r} is due, and the journal has {self._left[0]['kind']!r}",
                remedy="another version of the harness wrote it: begin a new run, or replay it with replay:FILE",
            )
        return self._left.popleft()

    def record(self, kind: str, **what: object) -> dict[str, Any]:
        """A step as it is written down. Numbers that JSON lacks become words."""
        if kind in STEPS and self._left:
            raise InfrastructureError(f"{self.path}: a step was done that the journal already holds")
        return {"kind": kind, **{key: plain(value) for key, value in what.items()}}

    def beside(self, kind: str) -> list[dict[str, Any]]:
        """All entries of a kind that is no step."""
        return [entry for entry in self.entries if entry["kind"] == kind]


class Journal(Steps):
    """An open journal, locked against a second process.

    Raises UserError for a file that is no journal, InfrastructureError where the disk fails.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = Lines(path)
        except BlockingIOError as error:
            raise UserError(f"another process works on {path}", remedy="wait for it, or end it") from error
        except (NotAFileError, TooLargeError) as error:
            raise UserError(f"{path} cannot be read: {error.strerror}", remedy="name another folder") from error
        except OSError as error:
            raise InfrastructureError(f"{path} could not be opened: {error.strerror}") from error
        try:
            super().__init__(path, entries_of(self._file.whole, path))
            self._file.mend()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        """Close at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self._file.close()

    def record(self, kind: str, **what: object) -> dict[str, Any]:
        """Write a step down; it is on the disk when this returns."""
        entry = super().record(kind, **what)
        try:
            self._file.add(entry)
        except OSError as error:
            raise InfrastructureError(
                f"{self.path} could not be written: {error.strerror}", remedy="make room, and resume the run"
            ) from error
        self.entries.append(entry)
        return entry


def read_entries(path: Path, cap: int = LARGE) -> list[dict[str, Any]]:
    """The entries of a journal or a recording, without locking it. Raises UserError for what is neither."""
    try:
        whole = Lines(path, read_only=True, cap=cap).whole
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", remedy="name a journal or a recording") from error
    return entries_of(whole, path)


def entries_of(whole: bytes, path: Path) -> list[dict[str, Any]]:
    """The entries of whole lines. Raises UserError for what is no journal; `path` is what it calls them."""
    entries = [_entry(line, number, path) for number, line in enumerate(whole.split(b"\n")[:-1], 1)]
    if entries and (entries[0]["kind"] != "head" or entries[0].get("schema") != SCHEMA):
        raise UserError(f"{path} is no journal of this version", remedy=f"its first line has to say {SCHEMA}")
    return entries


def _entry(line: bytes, number: int, path: Path) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict) or not isinstance(entry.get("kind"), str):
        raise UserError(f"{path}, line {number}: this is no entry of a journal", remedy="restore it from a copy")
    return entry


def new_run(project: Path) -> Path:
    """Make the folder of a new run: run-1, run-2 and so on. Raises UserError and InfrastructureError."""
    above = project / "discover"
    try:
        above.mkdir(parents=True, exist_ok=True)
        taken = [int(p.name[4:]) for p in above.iterdir() if p.name.startswith("run-") and p.name[4:].isdigit()]
        for number in range(max(taken, default=0) + 1, _MOST):
            try:
                (above / f"run-{number}").mkdir()
            except FileExistsError:  # another process was quicker
                continue
            return above / f"run-{number}"
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{above} cannot be a folder", remedy="name another place with --folder") from error
    except OSError as error:
        raise InfrastructureError(f"no folder could be made in {above}: {error.strerror}") from error
    raise UserError(f"there are too many runs in {above}", remedy="move old ones away")


def find_run(project: Path, run: str) -> Path:
    """The folder of a run, by its name or its path. Raises UserError where there is none."""
    for folder in (project / "discover" / run, Path(run)):
        if (folder / JOURNAL).is_file():
            return folder
    known = sorted(p.parent.name for p in (project / "discover").glob(f"*/{JOURNAL}") if p.is_file())
    remedy = f"there are: {', '.join(known[-10:])}" if known else "`harness discover` makes one"
    raise UserError(f"there is no run {run} in {project / 'discover'}", remedy=remedy)
