"""What people decide about runs: cancel, retry, approve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete

from harness.errors import UserError
from harness.ledger.events import NOBODY, move, record
from harness.ledger.look import run_of
from harness.ledger.states import State
from harness.ledger.tables import runs, slots

if TYPE_CHECKING:
    from typing import Any

    from harness.ledger.database import Database
    from harness.ledger.records import Run


def cancel(database: Database, run: int, why: str = "") -> Run:
    """Take a run out. A worker that has it learns so when it renews its lease or writes."""
    return _decide(database, run, State.CANCELLED, "cancelled", why or "cancelled by a person", **NOBODY)


def retry(database: Database, run: int) -> Run:
    """Queue a run again that failed by a fault of ours, or was cancelled. It goes on after its last checkpoint."""
    return _decide(database, run, State.QUEUED, "retried", "", faults=0, not_before=0.0, among=("failed", "cancelled"))


def approve(database: Database, run: int) -> Run:
    """Let a run go on that a gate holds for a person."""
    return _decide(database, run, State.QUEUED, "approved", "", approved=runs.c.rung, among=("held",))


def refuse(database: Database, run: int, why: str) -> Run:
    """End a run that a gate holds for a person."""
    return _decide(database, run, State.REJECTED, "refused", why or "refused by a person", among=("held",))


def _decide(
    database: Database, run: int, after: State, kind: str, reason: str, *, among: tuple[str, ...] = (), **values: Any
) -> Run:
    with database.writing() as connection:
        before = run_of(connection, run)
        now = database.time(connection)
        also = (runs.c.state.in_(among),) if among else ()
        if not move(connection, run, after, now, *also, reason=reason, **values):
            raise UserError(
                f"run {run} is {before.state}, and cannot be {kind}",
                remedy=f"`harness show {run}` says how it got there",
            )
        connection.execute(delete(slots).where(slots.c.run == run))
        record(connection, run, now, kind, reason=reason)
        return run_of(connection, run)
