"""Reading the ledger: single runs, the queue, results. Nothing here writes."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from harness.core.errors import UserError
from harness.ledger.failures import COPY, LedgerError
from harness.ledger.records import Decision, Event, Run, Score, State, clean
from harness.ledger.tables import candidates, decisions, events, promotions, results, runs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sqlalchemy import Connection, Row

    from harness.ledger.database import Database

_COLUMNS = (*(c for c in runs.c if c.name != "place"), candidates.c.name, candidates.c.path)
_RUNS = select(*_COLUMNS).join(candidates, candidates.c.sha256 == runs.c.candidate)


#: Runs in one query by their numbers: databases take so many values at once.
_TOGETHER = 500


def _run(row: Row[Any]) -> Run:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    return Run(**(values | {"state": State(values["state"])}))


def run_of(connection: Connection, run: int) -> Run:
    """One run. Raises UserError where there is none of that number."""
    possible = 0 < run < 2**63
    row = connection.execute(_RUNS.where(runs.c.id == run)).first() if possible else None
    if row is None:
        raise UserError(f"there is no run {run} in this ledger", remedy="`harness queue` lists them")
    return _run(row)


def find_run(database: Database, run: int) -> Run:
    """One run. Raises UserError where there is none of that number."""
    with database.reading() as connection:
        return run_of(connection, run)


def list_runs(
    database: Database,
    *,
    states: Sequence[State] = (),
    profile_digest: str | None = None,
    candidate: str | None = None,
    limit: int | None = None,
) -> list[Run]:
    """Runs in the order in which they are claimed; all of them where no `limit` is given."""
    wanted = _RUNS
    if states:
        wanted = wanted.where(runs.c.state.in_(states))
    if profile_digest is not None:
        wanted = wanted.where(runs.c.profile_digest == profile_digest)
    if candidate is not None:
        wanted = wanted.where(runs.c.candidate == candidate)
    with database.reading() as connection:
        return [_run(row) for row in connection.execute(wanted.order_by(runs.c.place, runs.c.id).limit(limit))]


def runs_of(database: Database, numbers: Sequence[int]) -> dict[int, Run]:
    """Runs by their numbers; those that are not there are left out."""
    out: dict[int, Run] = {}
    with database.reading() as connection:
        for start in range(0, len(numbers), _TOGETHER):
            wanted = _RUNS.where(runs.c.id.in_(numbers[start : start + _TOGETHER]))
            out |= {row.id: _run(row) for row in connection.execute(wanted)}
    return out


def newest_of_each_ladder(database: Database, profile: str) -> list[Run]:
    """The newest run of each ladder of a name, the newest first."""
    newest = select(func.max(runs.c.id)).where(runs.c.profile == profile).group_by(runs.c.profile_digest)
    with database.reading() as connection:
        return [_run(row) for row in connection.execute(_RUNS.where(runs.c.id.in_(newest)).order_by(runs.c.id.desc()))]


def counts(database: Database) -> dict[State, int]:
    """How many runs there are in each state."""
    with database.reading() as connection:
        rows = connection.execute(select(runs.c.state, func.count()).group_by(runs.c.state)).all()
    return {State(state): int(number) for state, number in rows}


def scores_of(database: Database, run: int) -> dict[str, list[Score]]:
    """All metrics of a run by rung."""
    out: dict[str, list[Score]] = {}
    wanted = select(results).where(results.c.run == run).order_by(results.c.rung, results.c.seed, results.c.metric)
    with database.reading() as connection:
        for row in connection.execute(wanted):
            value = row.value if row.value is not None else float(row.spelt or math.nan)
            out.setdefault(row.rung, []).append(Score(row.seed, row.metric, value))
    return out


def decisions_of(database: Database, run: int) -> list[tuple[str, Decision]]:
    """What the gates said about a run, by rung, in order."""
    wanted = select(decisions).where(decisions.c.run == run).order_by(decisions.c.id)
    with database.reading() as connection:
        return [(r.rung, Decision(r.decision, r.reason, r.detail)) for r in connection.execute(wanted)]


def events_of(database: Database, run: int) -> list[Event]:
    """All that happened to a run."""
    wanted = select(events).where(events.c.run == run).order_by(events.c.id)
    with database.reading() as connection:
        return [Event(r.time, r.kind, r.detail) for r in connection.execute(wanted)]


def promotions_of(database: Database, run: int | None = None) -> list[dict[str, Any]]:
    """The promotions of one run, or of all."""
    wanted = select(promotions).order_by(promotions.c.id)
    if run is not None:
        wanted = wanted.where(promotions.c.run == run)
    with database.reading() as connection:
        return [dict(row._mapping) for row in connection.execute(wanted)]  # noqa: SLF001 - as above


def text_of(database: Database, run: Run) -> bytes:
    """The candidate's text, as it was submitted.

    Raises UserError where there is none, LedgerError where it was changed.
    """
    candidate = run.candidate
    wanted = select(candidates.c.text).where(candidates.c.sha256 == candidate)
    with database.reading() as connection:
        data = connection.execute(wanted).scalar()
    if data is None:
        raise UserError(f"there is no candidate {clean(candidate)[:80]} in this ledger")
    if hashlib.sha256(data).hexdigest() != candidate:
        raise LedgerError(f"the text of candidate {candidate} is no longer what it was", remedy=COPY)
    return bytes(data)
