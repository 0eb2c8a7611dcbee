"""A ledger that waits for its database: for workers, to whom a server that restarts or a full disk is no end.

Everything that is repeated here may be repeated: a write that arrived although nobody was told is refused the second
time (the run is no longer held as it was), or finds itself there already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.ledger.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path

    from harness.core.waiting import Patience

_WHO = "the ledger"
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


class PatientLedger(Ledger):
    """A ledger whose answers are waited for; see the module."""

    def __init__(self, patience: Patience, folder: Path | None = None, *, database: str | None = None) -> None:
        self.patience = patience
        patience.until_it_works(lambda: Ledger.__init__(self, folder, database=database), _WHO)
        self.database.stopping = patience.stopping

    def __getattribute__(self, name: str) -> Any:
        """Let the methods of a worker's own wait."""
        found = object.__getattribute__(self, name)
        if name not in _WAITING:
            return found
        patience: Patience = object.__getattribute__(self, "patience")
        return lambda *given, **named: patience.until_it_works(lambda: found(*given, **named), _WHO)
