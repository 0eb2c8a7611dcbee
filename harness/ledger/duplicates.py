"""The same function in other words: one run answers for all of them.

Functions of a ladder are told apart by whoever can ask them (`harness/ladder/duplicates.py`): a fingerprint only says
whom to compare with. The first run that comes with a function answers for it; the others end as its duplicates and
point to it, so whatever becomes of it is their answer too: also after it failed and was retried. Where it was
cancelled, the oldest of its duplicates goes on in its place; where it failed or was cancelled, the next that is the
same function does. A run that a person wants to be run alone is nobody's duplicate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select, update

from harness.core.errors import UserError
from harness.ledger.progress import end, must_hold
from harness.ledger.queries import run_of
from harness.ledger.queue import move, record
from harness.ledger.records import State
from harness.ledger.tables import functions, runs, secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from sqlalchemy import Connection, Row

    from harness.ledger.database import Database
    from harness.ledger.records import Claim, Run

    #: Compares the run that is held with another one: where the two functions differ, or None where they do not.
    Compare = Callable[[Run], str | None]

#: A run in these states answers for nobody.
_SILENT = (State.FAILED, State.CANCELLED)
#: One at a time decides in PostgreSQL too who has a fingerprint's functions.
_LOCK = 4_711_003


def same_function(database: Database, held: Claim, fingerprint: str, compare: Compare) -> int | None:
    """Find out whose function this run's is; where another run answers for it, end as its duplicate and say which.

    `compare` is asked about the run of each function of the ladder that has the fingerprint, the oldest first, until
    one is the same; nobody waits for it. A run that has a function keeps it.
    """
    differ: dict[str, str | None] = {}
    while True:
        with database.writing() as connection:
            now = float(must_hold(connection, held, database.now).now)
            known = _known(connection, held, fingerprint, is_sqlite=database.is_sqlite)
            mine = next((one.function for one in known if differ.get(one.function, "") is None), None)
            if mine is None:
                mine = run_of(connection, held.run.id).function
            new = [one for one in known if one.function not in differ]
            if mine is not None or not new:
                return _settle(connection, held, now, fingerprint, mine)
            other = run_of(connection, new[0].run)
        differ[new[0].function] = where = compare(other)
        with database.writing() as connection:
            now = float(must_hold(connection, held, database.now).now)
            record(connection, held.run.id, now, "compared", of=other.id, same=where is None, where=where or "")


def secret(database: Database) -> bytes:
    """What this ledger's questions are drawn from, and nobody outside it knows."""
    with database.reading() as connection:
        value = connection.execute(select(secrets.c.value).where(secrets.c.name == "identity")).scalar_one()
    return bytes.fromhex(value)


def _known(connection: Connection, held: Claim, fingerprint: str, *, is_sqlite: bool) -> Sequence[Row[Any, Any]]:
    """The functions with a fingerprint, the oldest run first; nobody adds one before this transaction ends."""
    if not is_sqlite:  # there, one writes at a time
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    wanted = select(functions.c.candidate.label("function"), functions.c.run)
    wanted = wanted.order_by(functions.c.run, functions.c.candidate)
    wanted = wanted.filter_by(profile_digest=held.run.profile_digest, fingerprint=fingerprint)
    return connection.execute(wanted).all()


def _settle(connection: Connection, held: Claim, now: float, fingerprint: str, function: str | None) -> int | None:
    """Write down which function a run is; None is a new one. Gives the run that answers for it, if it is another."""
    run, profile = held.run.id, held.run.profile_digest
    if function is None:
        function = held.run.candidate
        row = {"profile_digest": profile, "candidate": function, "fingerprint": fingerprint, "run": run}
        connection.execute(insert(functions).values(**row))
    connection.execute(update(runs).where(runs.c.id == run).values(fingerprint=fingerprint, function=function))
    first = _holder(connection, profile, function)
    if first == run:
        return None
    if run_of(connection, first).state in _SILENT:
        _give(connection, first, run)
        record(connection, run, now, "took-over", of=first)
        return None
    if run_of(connection, run).alone:
        record(connection, run, now, "runs-all-the-same", of=first)
        return None
    end(connection, held, State.DUPLICATE, now, f"the same function as run {first}", same_as=first)
    return first


def hand_over(connection: Connection, run: int, now: float) -> None:
    """Let the oldest duplicate go on in the place of a run that was just cancelled."""
    one = run_of(connection, run)
    if one.function is None or _holder(connection, one.profile_digest, one.function) != run:
        return
    duplicates = (runs.c.same_as == run, runs.c.state == State.DUPLICATE)
    heir = connection.execute(select(runs.c.id).where(*duplicates).order_by(runs.c.id).limit(1)).scalar()
    if heir is None:
        return
    reason = f"run {run}, which is the same function, was cancelled"
    move(connection, heir, State.QUEUED, now, reason=reason, same_as=None, faults=0, not_before=0.0)
    record(connection, heir, now, "took-over", of=run)
    _give(connection, run, heir)


def take_back(connection: Connection, run: int) -> None:
    """Before a run is retried: answer for its function again. Raises UserError where another has taken over."""
    one = run_of(connection, run)
    if one.function is None or one.alone:
        return
    holder = _holder(connection, one.profile_digest, one.function)
    if holder == run:
        return
    if run_of(connection, holder).state not in _SILENT:
        raise UserError(
            f"run {run} is the same function as run {holder}, which has taken over",
            remedy=f"`harness show {holder}`",
        )
    _give(connection, holder, run)


def _holder(connection: Connection, profile: str, function: str) -> int:
    """Who answers for a function; nobody else may change that before this transaction ends."""
    key = {"profile_digest": profile, "candidate": function}
    return int(connection.execute(select(functions.c.run).filter_by(**key).with_for_update()).scalar_one())


def _give(connection: Connection, before: int, after: int) -> None:
    """Let another run answer for a function, also to the duplicates that wait for its answer."""
    connection.execute(update(functions).filter_by(run=before).values(run=after))
    others = (runs.c.same_as == before, runs.c.state == State.DUPLICATE, runs.c.id != after)
    told = f"the same function as run {after}"
    connection.execute(update(runs).where(*others).values(same_as=after, reason=told))
