"""What happened to a run, in order, for people and for other machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, update

from harness.core.errors import InfrastructureError
from harness.ledger.records import plain
from harness.ledger.states import State, sources
from harness.ledger.tables import events, runs

if TYPE_CHECKING:
    from typing import Any

    from sqlalchemy import ColumnElement, Connection

    from harness.core.verdict import Json


class LeaseLostError(InfrastructureError):
    """Another attempt holds this run, or it has ended: what this one has to say is refused."""


def record(connection: Connection, run: int, now: float, kind: str, **detail: Json) -> None:
    """Write an event down, in the caller's transaction."""
    connection.execute(insert(events).values(run=run, time=now, kind=kind, detail=plain(detail)))


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
