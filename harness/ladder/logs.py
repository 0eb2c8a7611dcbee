"""What a worker does, as a log for machines: one line an event, in text or as JSON, on standard error.

Off unless a command is asked for it (`--log-level`), since people have a display. What a candidate is called or caused
is made harmless in every field. Programs may put a handler of their own on the logger `harness.events`: a record has
the event's name as its message, and `fields`.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import math
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.core import text as sanitize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.ladder.context import Progress
    from harness.ledger.records import Claim, State

#: The words of the commands.
LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")
#: Not above other loggers: what they say, and to whom, stays theirs.
LOGGER = logging.getLogger("harness.events")
LOGGER.addHandler(logging.NullHandler())  # else Python prints warnings by itself where nobody asked for a log
#: Longest text of a field. A line fits into what a pipe takes at once, so that processes do not write into one another.
_CAP = 600


@dataclass(frozen=True)
class Wish:
    """The log that is wished for; it is handed on to worker processes."""

    level: str = "info"
    form: str = "text"


class _Handler(logging.StreamHandler[Any]):
    """Writes to what is standard error at that moment: a live display takes its place for a while."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        """Where to write."""
        return sys.stderr


class JsonFormatter(logging.Formatter):
    """A line of JSON: time, level, event, and the event's fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        line = {"time": _time(record), "level": record.levelname.lower(), "event": record.getMessage()}
        return sanitize.part_in_json(json.dumps({**line, **_fields(record)}))


class TextFormatter(logging.Formatter):
    """The same as words: what is no plain word is quoted."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        told = [f"{name}={_word(value)}" for name, value in _fields(record).items()]
        return sanitize.part_commands(" ".join([_time(record), record.levelname.lower(), record.getMessage(), *told]))


def set_up(wish: Wish | None) -> None:
    """Begin a log in this process, in place of an earlier one; end it where none is wished for."""
    for handler in LOGGER.handlers[:]:
        if isinstance(handler, _Handler):
            LOGGER.removeHandler(handler)
    LOGGER.setLevel(logging.NOTSET)
    if wish is None:
        return
    handler = _Handler()
    handler.setFormatter(JsonFormatter() if wish.form == "json" else TextFormatter())
    LOGGER.addHandler(handler)
    LOGGER.setLevel(wish.level.upper())


def event(level: str, name: str, /, **fields: object) -> None:
    """Log an event; fields that are None are left out."""
    told = {key: value for key, value in fields.items() if value is not None}
    LOGGER.log(logging.getLevelNamesMapping()[level.upper()], name, extra={"fields": told})


def fault(error: Exception, **fields: object) -> None:
    """Log a fault of ours, with its remedy."""
    message, remedy = getattr(error, "message", str(error)), getattr(error, "remedy", "")
    event("error", "fault of ours", **fields, message=message, remedy=remedy or None)


class Attempt:
    """The log of one attempt at a run.

    `seconds` are those of what ended: of the attempt, of the rung, and for a seed those since the one before it.
    """

    def __init__(self, held: Claim) -> None:
        run = held.run
        self._known: dict[str, object] = {"run": run.id, "attempt": held.attempt, "place": held.slot}
        self._began = self._rung_began = self._last = time.monotonic()
        self._rung = ""
        event("info", "claimed", **self._known, candidate=run.candidate, name=run.name, ladder=run.profile)

    def watch(self, progress: Progress) -> None:
        """Told by the climb. What a training is at is told several times a second, and is no event."""
        if progress.training is not None:
            return
        now = time.monotonic()
        here = {**self._known, "rung": progress.rung}
        if progress.rung != self._rung:
            self._rung, self._rung_began, self._last = progress.rung, now, now
            event("info", "rung begun", **here)
        if progress.told:
            event("info", "note", **here, message=progress.told)
        if progress.decision is not None:
            took = now - self._rung_began
            decided = progress.decision
            event("info", "gate decided", **here, decision=decided.decision, reason=decided.reason, seconds=took)
        elif progress.seed is not None:
            event("info", "seed measured", **here, seed=progress.seed, seconds=now - self._last)
            self._last = now

    def renewed(self) -> None:
        """The lease was renewed."""
        event("debug", "lease renewed", **self._known)

    def lost(self) -> None:
        """Another attempt has the run."""
        event("warning", "lease lost", **self._known)

    def failed(self, error: Exception) -> None:
        """A fault of ours ended it."""
        fault(error, **self._known, rung=self._rung or None)

    def ended(self, state: State) -> None:
        """It is over; the run may be queued again."""
        event("info", "run ended", **self._known, state=str(state), seconds=time.monotonic() - self._began)


def _time(record: logging.LogRecord) -> str:
    at = dt.datetime.fromtimestamp(record.created, dt.UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: Mapping[str, object] = getattr(record, "fields", {})
    return {name: _harmless(value) for name, value in fields.items()}


def _harmless(value: object) -> int | float | str:
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return round(value, 3)
    return sanitize.one_line(str(value), _CAP)


def _word(value: float | str) -> str:
    if isinstance(value, str) and (not value or not all(c.isascii() and (c.isalnum() or c in "-_./@+") for c in value)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
