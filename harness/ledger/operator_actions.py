"""What people do about runs: submit candidates, cancel, retry, approve.

There is one run for each candidate and profile, however often it is submitted.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from harness.core.errors import UserError
from harness.ledger.database import insert_unless_known
from harness.ledger.documents import set_aside
from harness.ledger.duplicates import hand_over, take_back
from harness.ledger.queries import run_of
from harness.ledger.queue import NOBODY, move, record
from harness.ledger.records import FINAL, State, Submission, clean
from harness.ledger.tables import candidates, runs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from sqlalchemy import Connection

    from harness.core.candidate import Candidate
    from harness.ledger.database import Database
    from harness.ledger.records import Run


def cancel(database: Database, run: int, why: str = "") -> Run:
    """Take a run out. A worker that has it learns so when it renews its lease or writes.

    Until that worker asks for other work, or its lease ends, its place stays taken: its container may still be there.
    """
    with database.writing() as connection:
        now = database.time(connection)
        reason = clean(why) or "cancelled by a person"
        out = _decide(connection, run, State.CANCELLED, now, "cancelled", reason, **NOBODY)
        hand_over(connection, run, now)
        return out


def retry(database: Database, run: int) -> Run:
    """Queue a run again that failed by a fault of ours, or was cancelled. It goes on after its last checkpoint.

    Raises UserError, too, where another run of the same function has taken its place.
    """
    with database.writing() as connection:
        take_back(connection, run)
        among = (State.FAILED, State.CANCELLED)
        now = database.time(connection)
        return _decide(connection, run, State.QUEUED, now, "retried", "", faults=0, not_before=0.0, among=among)


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
        return _decide(connection, run, State.QUEUED, now, "approved", "", approved=runs.c.rung, among=among)


def refuse(database: Database, run: int, why: str = "") -> Run:
    """End a run that a gate holds for a person."""
    with database.writing() as connection:
        now = database.time(connection)
        reason = clean(why) or "refused by a person"
        return _decide(connection, run, State.REJECTED, now, "refused", reason, among=(State.HELD,))


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
) -> Run:
    before = run_of(connection, run)
    also = (runs.c.state.in_(among),) if among else ()
    if not move(connection, run, after, now, *also, reason=reason, **values):
        raise UserError(
            f"run {run} is {before.state}, and cannot be {kind}",
            remedy=f"`harness show {run}` says how it got there",
        )
    record(connection, run, now, kind, reason=reason)
    return run_of(connection, run)


#: Head start of one step of priority, in seconds. A run that has waited this much longer is as urgent, so that a
#: stream of urgent ones cannot keep it waiting for ever.
PRIORITY_SECONDS = 600.0
#: The largest priority, up and down: a week's head start.
MOST_PRIORITY = 1000
#: Candidates in one transaction: few enough that no worker waits long for the ledger to renew its lease.
CHUNK = 200
#: One submits at a time in PostgreSQL too: two with the same candidates would wait for each other in a circle.
_LOCK = 4_711_002


def submit(
    database: Database,
    entries: Sequence[tuple[Candidate, str]],
    *,
    profile: str,
    profile_digest: str,
    needs: str,
    priority: int = 0,
    again: bool = False,
) -> list[Submission]:
    """Queue candidates, each with its name; give what became of them, in the same order.

    Those that have a run get that one, so what was cut off may be submitted again: every 200 candidates are one
    transaction. `again` runs each of them, whoever else is the same function, and from the first rung on where its run
    has ended. Raises UserError for a priority beyond ±1000.
    """
    if abs(priority) > MOST_PRIORITY:
        raise UserError(f"the priority {priority} is beyond ±{MOST_PRIORITY}")
    out: list[Submission] = []
    left = iter(entries)
    same: Mapping[str, str | int | bool] = {
        "profile": profile,
        "profile_digest": profile_digest,
        "needs": needs,
        "priority": priority,
        "alone": again,
    }
    while chunk := list(itertools.islice(left, CHUNK)):
        with database.writing() as connection:
            if not database.is_sqlite:
                connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            out += _submit(connection, chunk, database.time(connection), same)
    return out


def _submit(
    connection: Connection, chunk: Sequence[tuple[Candidate, str]], now: float, same: Mapping[str, str | int | bool]
) -> list[Submission]:
    first = {candidate.sha256: (candidate, name) for candidate, name in reversed(chunk)}
    place = now - int(same["priority"]) * PRIORITY_SECONDS
    fresh = {**same, "state": State.QUEUED, "place": place, "submitted": now, "changed": now}
    texts, queued = [], []
    for digest in dict.fromkeys(candidate.sha256 for candidate, _ in chunk):
        candidate, name = first[digest]
        path = clean(candidate.path)
        texts.append({"sha256": digest, "name": clean(name), "path": path, "text": candidate.data, "submitted": now})
        queued.append({**fresh, "candidate": digest})
    wanted = (runs.c.profile_digest == same["profile_digest"]) & runs.c.candidate.in_(list(first))
    look = select(runs.c.candidate, runs.c.id).where(wanted)
    insert_unless_known(connection, candidates, texts)
    new = insert_unless_known(connection, runs, queued)
    numbers = {row.candidate: int(row.id) for row in connection.execute(look)}
    out = []
    for candidate, _ in chunk:
        is_new = candidate.sha256 in new
        new.discard(candidate.sha256)
        run = numbers[candidate.sha256]
        kind = "submitted" if is_new else "submitted-again"
        if same["alone"] and not is_new:
            run_again(connection, run, now, place, str(same["needs"]))
        record(connection, run, now, kind, priority=same["priority"])
        out.append(Submission(run, is_new))
    return out
