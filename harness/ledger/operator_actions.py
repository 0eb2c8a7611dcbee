"""What people decide about runs: cancel, retry, approve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import update

from harness.core.errors import UserError
from harness.ledger.documents import set_aside
from harness.ledger.duplicates import hand_over, take_back
from harness.ledger.events import NOBODY, move, record
from harness.ledger.queries import run_of
from harness.ledger.records import clean
from harness.ledger.states import FINAL, State
from harness.ledger.tables import runs

if TYPE_CHECKING:
    from typing import Any

    from sqlalchemy import Connection

    from harness.ledger.database import Database
    from harness.ledger.records import Run


def cancel(database: Database, run: int, why: str = "") -> Run:
    """Take a run out. A worker that has it learns so when it renews its lease or writes.

    Until that worker asks for other work, or its lease ends, its place stays taken: its container may still be there.
    """
    with database.writing() as connection:
        now = database.time(connection)
        _decide(connection, run, State.CANCELLED, now, "cancelled", clean(why) or "cancelled by a person", **NOBODY)
        hand_over(connection, run, now)
        return run_of(connection, run)


def retry(database: Database, run: int) -> Run:
    """Queue a run again that failed by a fault of ours, or was cancelled. It goes on after its last checkpoint.

    Raises UserError, too, where another run of the same function has taken its place.
    """
    with database.writing() as connection:
        run_of(connection, run)
        take_back(connection, run)
        among = (State.FAILED, State.CANCELLED)
        now = database.time(connection)
        _decide(connection, run, State.QUEUED, now, "retried", "", faults=0, not_before=0.0, among=among)
        return run_of(connection, run)


def run_again(connection: Connection, run: int, now: float, place: float, needs: str) -> None:
    """Run a candidate whoever else is the same function; from the first rung on where its run has ended.

    In the caller's transaction. What the run came to before stays as a document of it, and its promotions stand.
    """
    before = run_of(connection, run)
    connection.execute(update(runs).where(runs.c.id == run).values(alone=True))
    if before.state not in FINAL:
        return
    set_aside(connection, before, now)
    fresh = {"rung": 0, "faults": 0, "not_before": 0.0, "approved": -1, "same_as": None, "place": place, "needs": needs}
    move(connection, run, State.QUEUED, now, reason="", **fresh)
    record(connection, run, now, "again", after=str(before.state))


def approve(database: Database, run: int) -> Run:
    """Let a run go on that a gate holds for a person."""
    with database.writing() as connection:
        now = database.time(connection)
        among = (State.HELD,)
        _decide(connection, run, State.QUEUED, now, "approved", "", approved=runs.c.rung, among=among)
        return run_of(connection, run)


def refuse(database: Database, run: int, why: str) -> Run:
    """End a run that a gate holds for a person."""
    with database.writing() as connection:
        now = database.time(connection)
        reason = clean(why) or "refused by a person"
        _decide(connection, run, State.REJECTED, now, "refused", reason, among=(State.HELD,))
        return run_of(connection, run)


def _decide(
    connection: Connection,
    run: int,
    after: State,
    now: float,
    kind: str,
    reason: str,
    *,
    among: tuple[State, ...] = (),
    **values: Any,
) -> None:
    before = run_of(connection, run)
    also = (runs.c.state.in_(among),) if among else ()
    if not move(connection, run, after, now, *also, reason=reason, **values):
        raise UserError(
            f"run {run} is {before.state}, and cannot be {kind}",
            remedy=f"`harness show {run}` says how it got there",
        )
    record(connection, run, now, kind, reason=reason)
