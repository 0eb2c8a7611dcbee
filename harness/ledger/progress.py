"""What a worker writes down: checkpoints, ends, faults, and what is being trained right now.

Everything that decides is refused from an attempt that lost its lease. What is under way, its progress and its learning
curve so far, is for whoever looks at the ledger: a row for each run, whose training it is and its seed, written anew
every few seconds. Nothing is decided by it, so it is written without waiting for anybody, and read only of attempts
that still hold their run.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update

from harness.ledger.database import insert_unless_known, replace_all
from harness.ledger.queue import BACK_OFF, NOBODY, LeaseLostError, again, held_by, leave, move, record
from harness.ledger.records import State, clean, plain
from harness.ledger.sealed import seal_end, seal_head
from harness.ledger.tables import attachments, decisions, events, promotions, results, runs, underway

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from sqlalchemy import ColumnElement, Connection, Row

    from harness.core.verdict import Json
    from harness.ledger.database import Database
    from harness.ledger.records import Claim, Decision, Score
    from harness.ledger.sealed import Seal


def must_hold(connection: Connection, held: Claim, now: ColumnElement[float]) -> Row[Any]:
    """Refuse an attempt that no longer holds its run; lock the row for the rest of the transaction.

    Gives `now`, `faults`, `approved`, `rung`.
    """
    columns = (now.label("now"), runs.c.faults, runs.c.approved, runs.c.rung)
    mine = select(*columns).where(runs.c.id == held.run.id, *held_by(held.attempt)).with_for_update()
    row = connection.execute(mine).first()
    if row is None:
        raise LeaseLostError(f"run {held.run.id} is no longer held by attempt {held.attempt}")
    return row


def save_scores(database: Database, held: Claim, rung: str, scores: Sequence[Score]) -> None:
    """Keep the metrics of some seeds of a rung, so that a restart need not measure them again."""
    with database.writing() as connection:
        must_hold(connection, held, database.now)
        _write_scores(connection, held, rung, scores)


def forget(database: Database, held: Claim, rung: str, why: str) -> None:
    """Take away the metrics and the documents of a rung that is to be measured again, and say why."""
    with database.writing() as connection:
        now = float(must_hold(connection, held, database.now).now)
        for table in (results, attachments):
            connection.execute(delete(table).where(table.c.run == held.run.id, table.c.rung == rung))
        record(connection, held.run.id, now, "measured-again", rung=rung, why=why)


def _write_scores(connection: Connection, held: Claim, rung: str, scores: Sequence[Score]) -> None:
    rows = []
    for score in scores:
        value, spelt = score.stored()
        key = {"run": held.run.id, "rung": rung, "seed": int(score.seed), "metric": score.metric}
        rows.append({**key, "value": value, "spelt": spelt, "attempt": held.attempt})
    replace_all(connection, results, rows, "value", "spelt", "attempt")


def note(database: Database, held: Claim, kind: str, detail: Mapping[str, Json]) -> None:
    """Write down what was found out on the way; the same again is not written twice. Raises LeaseLostError."""
    told = plain(detail)
    with database.writing() as connection:
        now = must_hold(connection, held, database.now).now
        known = select(events.c.detail).where(events.c.run == held.run.id, events.c.kind == kind)
        if told not in connection.execute(known).scalars().all():
            record(connection, held.run.id, float(now), kind, **detail)


def checkpoint(
    database: Database,
    held: Claim,
    *,
    rung: str,
    scores: Sequence[Score],
    decision: Decision,
    evaluation: str,
    next_needs: str | None,
    ask_a_person: bool = False,
    seal: Seal | None = None,
) -> State:
    """Write a rung's end down in one transaction: its metrics, the gate's decision, and what follows from it.

    `next_needs` is what the rung after it needs, None after the last. A promotion is written once for each candidate,
    profile and evaluation, whoever comes to it and how often. Gives the run's state; where that is RUNNING, this
    attempt goes on. A rung that has been decided is not decided again, so a checkpoint may be repeated where nobody
    knows whether it arrived. `seal` signs what is written, in the same transaction. Raises LeaseLostError.
    """
    reason = clean(decision.reason)
    with database.writing() as connection:
        row = must_hold(connection, held, database.now)
        now, run = float(row.now), held.run.id
        common = {"run": run, "rung": rung, "attempt": held.attempt, "time": now}
        said = {"decision": decision.decision, "reason": reason, "detail": plain(decision.detail)}
        if not insert_unless_known(connection, decisions, [common | said]):
            return State.RUNNING
        _write_scores(connection, held, rung, scores)
        told: dict[str, Json] = {"rung": rung, "decision": decision.decision, "reason": reason}
        if seal is not None:
            told["records"] = [*seal_end(connection, held, rung, int(row.rung), now, seal)]
        record(connection, run, now, "decided", **told)
        state = _after(connection, held, rung, decision, evaluation, next_needs, row, ask_a_person=ask_a_person)
        if seal is not None:
            seal_head(connection, held, rung, int(row.rung), now, seal)
        return state


def _after(
    connection: Connection,
    held: Claim,
    rung: str,
    decision: Decision,
    evaluation: str,
    next_needs: str | None,
    row: Row[Any],
    *,
    ask_a_person: bool,
) -> State:
    """What follows from a decision."""
    now, run, reason = float(row.now), held.run.id, clean(decision.reason)
    if decision.decision != "promote":
        return end(connection, held, State.REJECTED, now, reason)
    common = {"run": run, "rung": rung, "attempt": held.attempt, "time": now}
    proof = {"profile_digest": held.run.profile_digest, "evaluation": evaluation}
    insert_unless_known(connection, promotions, [common | proof | {"candidate": held.run.candidate}])
    advanced = {"rung": row.rung + 1, "faults": 0}
    if next_needs is None:
        return end(connection, held, State.COMPLETED, now, reason, **advanced)
    advanced["needs"] = next_needs
    if ask_a_person and row.approved < row.rung + 1:
        why = f"a person has to approve what comes after {rung}"
        return end(connection, held, State.HELD, now, why, **advanced)
    if next_needs != held.run.needs:  # another kind of place: whoever has one goes on
        return end(connection, held, State.QUEUED, now, "", **advanced)
    connection.execute(update(runs).where(runs.c.id == run).values(**advanced))
    return State.RUNNING


def reject(database: Database, held: Claim, reason: str) -> None:
    """The candidate's fault: no retry."""
    with database.writing() as connection:
        now = must_hold(connection, held, database.now).now
        end(connection, held, State.REJECTED, float(now), clean(reason))


def fault(database: Database, held: Claim, why: str, back_off: float = BACK_OFF) -> State:
    """A fault of ours: queue the run again, later each time, until its attempts are used up."""
    with database.writing() as connection:
        row = must_hold(connection, held, database.now)
        leave(connection, held.run.id, held.attempt)
        return again(connection, held.run.id, row.faults + 1, float(row.now), why, back_off)


def release(database: Database, held: Claim) -> None:
    """The worker is asked to stop: queue the run again at once; no fault is counted."""
    with database.writing() as connection:
        now = must_hold(connection, held, database.now).now
        end(connection, held, State.QUEUED, float(now), "")


def end(connection: Connection, held: Claim, state: State, now: float, reason: str, **values: object) -> State:
    """End an attempt: bring its run to a state, and give up the place."""
    run = held.run.id
    leave(connection, run, held.attempt)
    move(connection, run, state, now, reason=reason, **NOBODY, **values)
    record(connection, run, now, str(state), attempt=held.attempt, reason=reason)
    return state


#: The units of a step are counted up to this number.
_MOST = 2**31 - 1
#: So long is waited for whoever writes to the ledger at the moment, in seconds: the next word comes soon.
_PATIENCE = 1.0
#: Before so many seconds have passed nothing is said of the time that is left.
_LEAST = 0.5


@dataclass(frozen=True)
class Underway:
    """A step of a training: whose ("candidate" or a baseline), at which rung and seed, and how far it is.

    `done` of `total` units took `elapsed` seconds; `curve` has for each metric the points (unit, value) so far.
    """

    whose: str
    rung: str
    seed: int
    step: str
    what: str
    done: int
    total: int
    elapsed: float
    curve: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)

    @property
    def left(self) -> float | None:
        """Seconds that the step still takes at the pace so far; None where nothing is known of it."""
        if self.elapsed < _LEAST or not 0 < self.done <= self.total:
            return None
        return self.elapsed * (self.total - self.done) / self.done


def tell(database: Database, held: Claim, one: Underway) -> None:
    """Write down how far a training is, unless the run is held by another attempt by now."""
    row = asdict(one) | {
        "run": held.run.id,
        "whose": clean(one.whose)[:64],
        "attempt": held.attempt,
        "what": clean(one.what),
        "done": min(one.done, _MOST),
        "total": min(one.total, _MOST),
        "curve": plain(one.curve),
    }
    with database.writing(_PATIENCE) as connection:
        mine = select(runs.c.id).where(runs.c.id == held.run.id, *held_by(held.attempt))
        if connection.execute(mine).first() is not None:
            row["time"] = database.time(connection)
            replace_all(connection, underway, [row], *(name for name in row if name not in {"run", "whose", "seed"}))


def over(database: Database, held: Claim, seed: int | None = None) -> None:
    """Nothing is under way any more for a run's seeds up to this one, or for any."""
    mine = delete(underway).where(underway.c.run == held.run.id, underway.c.attempt <= held.attempt)
    with database.writing(_PATIENCE) as connection:
        connection.execute(mine if seed is None else mine.where(underway.c.seed <= seed))


def underway_of(database: Database, run: int | None = None) -> dict[int, list[Underway]]:
    """What is under way, by run: of one run or of all."""
    live = (runs.c.id == underway.c.run) & (runs.c.attempt == underway.c.attempt) & (runs.c.state == State.RUNNING)
    wanted = select(underway).join(runs, live).order_by(underway.c.run, underway.c.seed, underway.c.whose)
    if run is not None:
        wanted = wanted.where(underway.c.run == run)
    out: dict[int, list[Underway]] = {}
    with database.reading() as connection:
        for row in connection.execute(wanted):
            curve = {name: tuple((int(n), float(v)) for n, v in points) for name, points in row.curve.items()}
            of = (row.whose, row.rung, row.seed, row.step, row.what, row.done, row.total, row.elapsed, curve)
            out.setdefault(row.run, []).append(Underway(*of))
    return out
