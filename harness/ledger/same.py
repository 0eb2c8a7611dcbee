"""The same function in other words: one run answers for all of them.

The first run of a profile that comes with a fingerprint has it; the others end as its duplicates and point to it, so
whatever becomes of it is their answer too: also after it failed and was retried. Where it was cancelled, the oldest of
its duplicates goes on in its place; where it failed or was cancelled, the next that comes with the fingerprint does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from harness.errors import UserError
from harness.ledger.database import insert_unless_known
from harness.ledger.events import move, record
from harness.ledger.progress import end, must_hold
from harness.ledger.states import State
from harness.ledger.tables import fingerprints, runs

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from harness.ledger.database import Database
    from harness.ledger.records import Claim

#: A run in these states answers for nobody.
_SILENT = (State.FAILED, State.CANCELLED)


def same_function(database: Database, held: Claim, fingerprint: str) -> int | None:
    """Claim a fingerprint for this run; where another run of the profile has it, end as its duplicate and say which."""
    with database.writing() as connection:
        now = must_hold(connection, held, database.now).now
        run, profile = held.run.id, held.run.profile_digest
        insert_unless_known(connection, fingerprints, profile_digest=profile, fingerprint=fingerprint, run=run)
        connection.execute(update(runs).where(runs.c.id == run).values(fingerprint=fingerprint))
        first = _holder(connection, profile, fingerprint)
        if first == run:
            return None
        if _state(connection, first) in _SILENT:
            _give(connection, first, run, profile, fingerprint)
            record(connection, run, now, "took-over", of=first)
            return None
        end(connection, held, State.DUPLICATE, now, f"the same function as run {first}", same_as=first)
        return first


def hand_over(connection: Connection, run: int, now: float) -> None:
    """Let the oldest duplicate go on in the place of a run that was just cancelled."""
    profile, fingerprint = _of(connection, run)
    if fingerprint is None or _holder(connection, profile, fingerprint) != run:
        return
    duplicates = (runs.c.same_as == run, runs.c.state == State.DUPLICATE)
    heir = connection.execute(select(runs.c.id).where(*duplicates).order_by(runs.c.id).limit(1)).scalar()
    if heir is None:
        return
    reason = f"run {run}, which is the same function, was cancelled"
    move(connection, heir, State.QUEUED, now, reason=reason, same_as=None, faults=0, not_before=0.0)
    record(connection, heir, now, "took-over", of=run)
    _give(connection, run, heir, profile, fingerprint)


def take_back(connection: Connection, run: int) -> None:
    """Before a run is retried: have its fingerprint again. Raises UserError where another has taken over."""
    profile, fingerprint = _of(connection, run)
    if fingerprint is None:
        return
    holder = _holder(connection, profile, fingerprint)
    if holder == run:
        return
    if _state(connection, holder) not in _SILENT:
        raise UserError(
            f"run {run} is the same function as run {holder}, which has taken over",
            remedy=f"`harness show {holder}`",
        )
    _give(connection, holder, run, profile, fingerprint)


def _of(connection: Connection, run: int) -> tuple[str, str | None]:
    row = connection.execute(select(runs.c.profile_digest, runs.c.fingerprint).where(runs.c.id == run)).one()
    return row.profile_digest, row.fingerprint


def _holder(connection: Connection, profile: str, fingerprint: str) -> int:
    """Who has a fingerprint; nobody else may change that before this transaction ends."""
    key = {"profile_digest": profile, "fingerprint": fingerprint}
    return int(connection.execute(select(fingerprints.c.run).filter_by(**key).with_for_update()).scalar_one())


def _state(connection: Connection, run: int) -> State:
    return State(connection.execute(select(runs.c.state).where(runs.c.id == run)).scalar_one())


def _give(connection: Connection, before: int, after: int, profile: str, fingerprint: str) -> None:
    """Hand a fingerprint from one run to another, with the duplicates that wait for its answer."""
    key = {"profile_digest": profile, "fingerprint": fingerprint}
    connection.execute(update(fingerprints).filter_by(**key).values(run=after))
    others = (runs.c.same_as == before, runs.c.state == State.DUPLICATE, runs.c.id != after)
    told = f"the same function as run {after}"
    connection.execute(update(runs).where(*others).values(same_as=after, reason=told))
