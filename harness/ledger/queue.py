"""Runs on their way: claimed for a free place, held by a lease, brought from one state to the next.

A claim has a lease and an attempt number, by the database's clock. Who holds a run is told by the worker's host,
process and place, until when, and whether it is still there at all. What happened to a run is written down as its
events, in order, for people and for other machines.
"""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, func, insert, select, update

from harness.core import processes
from harness.core.errors import InfrastructureError
from harness.ledger import event_chain
from harness.ledger.queries import run_of
from harness.ledger.records import Claim, State, clean, plain, sources
from harness.ledger.tables import runs, slots

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sqlalchemy import ColumnElement, Connection

    from harness.core.verdict import Json
    from harness.ledger.database import Database


class LeaseLostError(InfrastructureError):
    """Another attempt holds this run, or it has ended: what this one has to say is refused."""


def record(connection: Connection, run: int, now: float, kind: str, **detail: Json) -> None:
    """Write an event down, at the end of the caller's transaction."""
    event_chain.add(connection, run, now, kind, {name: plain(value) for name, value in detail.items()})


def move(connection: Connection, run: int, after: State, now: float, *also: ColumnElement[bool], **values: Any) -> bool:
    """Bring a run to another state, if it is in one from which that may follow; tell whether it was.

    `also` are further conditions, such as the attempt that must still hold it; `values` are written with the state.
    """
    allowed = runs.c.state.in_(sources(after))
    statement = update(runs).where(runs.c.id == run, allowed, *also).values(state=after, changed=now, **values)
    return connection.execute(statement).rowcount == 1


def held_by(attempt: int) -> tuple[ColumnElement[bool], ...]:
    """The condition that an attempt still holds its run."""
    return (runs.c.state == State.RUNNING, runs.c.attempt == attempt)


#: What a run looks like that nobody holds.
NOBODY: dict[str, Any] = {"owner": None, "lease": None}


#: No lease is longer, in seconds, and no wait: what ends later was written before the database's clock was set back.
LONGEST_LEASE = 3600.0
#: HOST/PID/PROCESS/TOKEN: the first two for people, the third for machines, the last for several workers of a process.
_PARTS = 4


@dataclass(frozen=True)
class Holder:
    """Who holds a run. `left` are the seconds until the lease ends, by the database's clock; below 0 it has ended."""

    owner: str
    place: str
    left: float

    @property
    def lapsed(self) -> bool:
        """Whether the next one who claims the run gets it."""
        return not 0.0 <= self.left <= LONGEST_LEASE or is_gone(self.owner)

    @property
    def told(self) -> str:
        """Host, process and place in a few words."""
        host, _, rest = self.owner.partition("/")
        pid = rest.partition("/")[0]
        who = f"process {pid} on {host}" if pid.isdigit() else self.owner
        return f"{who} (worker {self.place})" if self.place else who


def new_owner() -> str:
    """A name for a worker of this process: no other has it, and it tells whether its process lives."""
    return f"{owner_name()}/{processes.this()}/{secrets.token_hex(4)}"


def owner_name() -> str:
    """Host and number of this process, as leases begin."""
    return f"{socket.gethostname()}/{os.getpid()}"


def is_gone(owner: str) -> bool:
    """Whether the process that an owner's name tells of is certainly dead: its lease is worth nothing any more."""
    parts = owner.split("/")
    return len(parts) == _PARTS and processes.is_gone(parts[2])


def holder_of(database: Database, run: int) -> Holder | None:
    """Who holds a run; None where nobody does."""
    return _holders(database, runs.c.id == run).get(run)


def holders(database: Database) -> dict[int, Holder]:
    """Who holds which run, in one query for all of them."""
    return _holders(database)


def _holders(database: Database, *which: ColumnElement[bool]) -> dict[int, Holder]:
    of = (slots.c.run == runs.c.id) & (slots.c.attempt == runs.c.attempt)
    wanted = select(runs.c.id, runs.c.owner, runs.c.lease, slots.c.name, database.now.label("now"))
    wanted = wanted.outerjoin(slots, of).where(runs.c.state == State.RUNNING, runs.c.owner.is_not(None), *which)
    with database.reading() as connection:
        rows = connection.execute(wanted).all()
    return {row.id: Holder(row.owner, row.name or "", float(row.lease or 0.0) - float(row.now)) for row in rows}


#: How long a lease lasts, in seconds; it is renewed three times in that time.
LEASE_SECONDS = 30.0
#: Attempts at one rung that may end in a fault of ours before the run is given up.
MOST_FAULTS = 3
#: Wait before the next attempt after a fault of ours, in seconds; doubled each time.
BACK_OFF = 5.0
#: Expired leases that one claim clears away.
_CLEARED = 100


def claim(
    database: Database,
    owner: str,
    *,
    slot: str,
    needs: Sequence[str],
    only: int | None = None,
    lease: float = LEASE_SECONDS,
    back_off: float = BACK_OFF,
) -> Claim | None:
    """Take the next run that needs one of `needs` ("cpu", "gpu"), for the place `slot`; None where there is none.

    `only` asks for this run and no other, without the wait after a worker that went silent. A place that another
    worker's live attempt is in gives none. An `owner` (a process, by a name of its own) that asks for a place again is
    through with what it did there: a run that it still holds there is queued again, as are runs whose worker went
    silent or is a dead process of this machine, each with a fault counted.
    """
    owner = clean(owner)
    with database.writing() as connection:
        if not database.is_sqlite:  # there, one writes at a time; here, one at a time looks at a place
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(slot))))
        now = database.time(connection)
        _clear(connection, now, back_off, only)
        if not _is_free(connection, slot, owner, now, back_off):
            return None
        run = _next(connection, needs, now, only)
        if run is None:
            return None
        until = now + lease
        values = {"owner": owner, "lease": until, "attempt": runs.c.attempt + 1}
        if not move(connection, run, State.RUNNING, now, **values):
            return None
        taken = run_of(connection, run)
        row = {"name": slot, "run": run, "attempt": taken.attempt, "owner": owner, "lease": until}
        connection.execute(insert(slots).values(**row))
        record(connection, run, now, "claimed", attempt=taken.attempt, owner=owner, slot=slot)
        return Claim(taken, taken.attempt, owner, slot)


def renew(database: Database, held: Claim, lease: float = LEASE_SECONDS) -> bool:
    """Make the lease last `lease` seconds from now; False where the run is no longer this attempt's."""
    with database.writing() as connection:
        mine = select(runs.c.id).where(runs.c.id == held.run.id, *held_by(held.attempt)).with_for_update()
        if connection.execute(mine).first() is None:
            return False
        until = database.time(connection) + lease  # after the wait for the row
        connection.execute(update(runs).where(runs.c.id == held.run.id).values(lease=until))
        here = (slots.c.name == held.slot, slots.c.run == held.run.id, slots.c.attempt == held.attempt)
        connection.execute(update(slots).where(*here).values(lease=until))
        return True


def leave(connection: Connection, run: int, attempt: int) -> None:
    """Give up the place that an attempt worked in."""
    connection.execute(delete(slots).where(slots.c.run == run, slots.c.attempt == attempt))


def again(connection: Connection, run: int, faults: int, now: float, why: str, back_off: float) -> State:
    """After a fault of ours: queue the run again, later each time, or give it up. Gives its new state."""
    why = clean(why)
    if faults >= MOST_FAULTS:
        reason = f"given up after {faults} attempts: {why}"
        move(connection, run, State.FAILED, now, faults=faults, reason=reason, **NOBODY)
        record(connection, run, now, "failed", faults=faults, reason=why)
        return State.FAILED
    wait = back_off * 2.0 ** (faults - 1)
    move(connection, run, State.QUEUED, now, faults=faults, not_before=now + wait, reason=why, **NOBODY)
    record(connection, run, now, "queued-again", faults=faults, wait=wait, reason=why)
    return State.QUEUED


def _clear(connection: Connection, now: float, back_off: float, only: int | None) -> None:
    """Queue again what belongs to workers that have gone silent or are dead, and free the places of what was cancelled.

    Rows that another transaction has in hand are left to it: nobody waits here, so nobody waits in a circle.
    """
    of = select(runs.c.id, runs.c.attempt, runs.c.faults, runs.c.owner).where(runs.c.state == State.RUNNING)
    here = of.where(runs.c.lease >= now, runs.c.owner.contains(f"/{processes.machine()}:", autoescape=True))
    dead = [row.id for row in connection.execute(here) if is_gone(row.owner)]
    wanted = of.where(_over(runs.c.lease, now) | runs.c.id.in_(dead)).limit(_CLEARED)
    for run, attempt, faults, owner in connection.execute(wanted.with_for_update(skip_locked=True)).all():
        leave(connection, run, attempt)
        why = f"its worker {owner} {'died' if is_gone(owner) else 'went silent'} in attempt {attempt}"
        again(connection, run, faults + 1, now, why, 0.0 if run == only else back_off)
    # Not by the lease alone: one that is being renewed at this moment has its place renewed second.
    live = exists().where(runs.c.id == slots.c.run, runs.c.state == State.RUNNING, runs.c.attempt == slots.c.attempt)
    left = select(slots.c.name).where(_over(slots.c.lease, now), ~live).with_for_update(skip_locked=True, of=slots)
    for name in connection.execute(left).scalars().all():
        connection.execute(delete(slots).where(slots.c.name == name))


def _over(until: ColumnElement[float], now: float) -> ColumnElement[bool]:
    return (until < now) | (until > now + LONGEST_LEASE)


def _is_free(connection: Connection, slot: str, owner: str, now: float, back_off: float) -> bool:
    """Whether a place is free for this owner; what the owner itself left in it is put in order."""
    there = connection.execute(select(slots).where(slots.c.name == slot)).first()
    if there is None:
        return True
    if there.owner != owner:
        return False
    held = select(runs.c.faults).where(runs.c.id == there.run, *held_by(there.attempt)).with_for_update()
    lost = connection.execute(held).first()
    leave(connection, there.run, there.attempt)
    if lost is not None:
        why = f"its worker {owner} asked for other work in attempt {there.attempt}"
        again(connection, there.run, lost.faults + 1, now, why, back_off)
    return True


def _next(connection: Connection, needs: Sequence[str], now: float, only: int | None) -> int | None:
    best: tuple[float, int] | None = None
    # One look for each kind keeps each of them a walk along the index, however long the queue is.
    for kind in needs:
        ready = (runs.c.not_before <= now) | (runs.c.not_before > now + LONGEST_LEASE)
        waiting = [runs.c.state == State.QUEUED, runs.c.needs == kind, ready]
        if only is not None:
            waiting.append(runs.c.id == only)
        first = select(runs.c.place, runs.c.id).where(*waiting).order_by(runs.c.place, runs.c.id).limit(1)
        row = connection.execute(first.with_for_update(skip_locked=True)).first()
        if row is not None and (best is None or (row.place, row.id) < best):
            best = (row.place, row.id)
    return best[1] if best else None
