"""A ledger that waits for its database: for workers, to whom a server that restarts or a full disk is no end.

Everything that is repeated here may be repeated: a write that arrived although nobody was told is refused the second
time (the run is no longer held as it was), or finds itself there already.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from harness.ledger.failures import LedgerError
from harness.ledger.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

#: The first wait and the longest, in seconds; each is twice the one before.
_FIRST, _LONGEST = 0.5, 15.0
#: How often one who waits asks whether it is to stop, in seconds.
_LOOK = 0.2
#: What waits. Not `renew`: a lease is renewed beside the work, and tried again until it ends.
_WAITING = frozenset(
    {
        "attach",
        "checkpoint",
        "claim",
        "counts",
        "events",
        "fault",
        "forget",
        "holder",
        "note",
        "release",
        "run",
        "same_function",
        "save_scores",
        "scores",
        "secret",
        "text",
    }
)


@dataclass(frozen=True)
class Patience:
    """How long to wait for what passes, in seconds; when to stop all the same; whom to tell about it."""

    seconds: float
    stopping: Callable[[], bool]
    tell: Callable[[str], None]

    def wait(self, seconds: float) -> None:
        """Sleep, and wake early where it is to stop."""
        until = time.monotonic() + seconds
        while not self.stopping() and (left := until - time.monotonic()) > 0:
            time.sleep(min(_LOOK, left))

    def until_it_works(self, what: Callable[[], T]) -> T:
        """Do something with the database, and again while that fails in a way that passes. Raises LedgerError."""
        begun, pause, failures = time.monotonic(), _FIRST, 0
        while True:
            try:
                done = what()
            except LedgerError as error:
                if not error.passing or self.stopping() or time.monotonic() - begun > self.seconds:
                    raise
                if not failures:
                    self.tell(f"{error.message}; it waits")
                failures += 1
            else:
                if failures:
                    self.tell(f"the ledger answers again, after {time.monotonic() - begun:.0f} s")
                return done
            self.wait(pause)
            pause = min(2.0 * pause, _LONGEST)


class PatientLedger(Ledger):
    """A ledger whose answers are waited for; see the module."""

    def __init__(self, patience: Patience, folder: Path | None = None, *, database: str | None = None) -> None:
        self.patience = patience
        patience.until_it_works(lambda: Ledger.__init__(self, folder, database=database))
        self.database.stopping = patience.stopping

    def __getattribute__(self, name: str) -> Any:
        """Let the methods of a worker's own wait."""
        found = object.__getattribute__(self, name)
        if name not in _WAITING:
            return found
        patience: Patience = object.__getattribute__(self, "patience")
        return lambda *given, **named: patience.until_it_works(lambda: found(*given, **named))
