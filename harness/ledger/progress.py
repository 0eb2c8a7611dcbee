"""What a worker writes down: checkpoints, ends, faults. Everything is refused from an attempt that lost its lease."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update

from harness.ledger.database import insert_unless_known
from harness.ledger.events import NOBODY, LeaseLostError, held_by, move, record
from harness.ledger.queue import BACK_OFF, again, leave
from harness.ledger.states import State
from harness.ledger.tables import decisions, fingerprints, promotions, results, runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from harness.ledger.database import Database
    from harness.ledger.records import Claim, Decision, Score


def _must_hold(connection: Connection, held: Claim) -> None:
    """Refuse an attempt that no longer holds its run; lock the row for the rest of the transaction."""
    mine = select(runs.c.id).where(runs.c.id == held.run.id, *held_by(held.attempt)).with_for_update()
    if connection.execute(mine).first() is None:
        raise LeaseLostError(f"run {held.run.id} is no longer held by attempt {held.attempt}")


def save_scores(database: Database, held: Claim, rung: str, scores: Sequence[Score]) -> None:
    """Keep the metrics of some seeds of a rung, so that a restart need not measure them again."""
    with database.writing() as connection:
        _must_hold(connection, held)
        _write_scores(connection, held, rung, scores)


def _write_scores(connection: Connection, held: Claim, rung: str, scores: Sequence[Score]) -> None:
    for score in scores:
        value, spelt = score.stored()
        key = {"run": held.run.id, "rung": rung, "seed": score.seed, "metric": score.metric}
        connection.execute(delete(results).filter_by(**key))
        connection.execute(insert(results).values(**key, value=value, spelt=spelt, attempt=held.attempt))


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
) -> State:
    """Write a rung's end down in one transaction: its metrics, the gate's decision, and what follows from it.

    `next_needs` is what the rung after it needs, None after the last. A promotion is written once for each candidate,
    profile and evaluation, whoever comes to it and how often. Gives the run's state; where that is RUNNING, this
    attempt goes on. Raises LeaseLostError.
    """
    with database.writing() as connection:
        _must_hold(connection, held)
        now = database.time(connection)
        run = held.run.id
        _write_scores(connection, held, rung, scores)
        known = insert_unless_known(
            connection,
            decisions,
            run=run,
            rung=rung,
            attempt=held.attempt,
            decision=decision.decision,
            reason=decision.reason,
            detail=dict(decision.detail),
            time=now,
        )
        if known:
            record(connection, run, now, "decided", rung=rung, decision=decision.decision, reason=decision.reason)
        if decision.decision != "promote":
            return _end(connection, held, State.REJECTED, now, decision.reason)
        insert_unless_known(
            connection,
            promotions,
            candidate=held.run.candidate,
            profile_digest=held.run.profile_digest,
            evaluation=evaluation,
            run=run,
            rung=rung,
            attempt=held.attempt,
            time=now,
        )
        advanced = {"rung": runs.c.rung + 1, "faults": 0}
        if next_needs is None:
            connection.execute(update(runs).where(runs.c.id == run).values(**advanced))
            return _end(connection, held, State.COMPLETED, now, decision.reason)
        connection.execute(update(runs).where(runs.c.id == run).values(**advanced, needs=next_needs))
        approved = connection.execute(select(runs.c.approved, runs.c.rung).where(runs.c.id == run)).one()
        if ask_a_person and approved.approved < approved.rung:
            return _end(connection, held, State.HELD, now, f"a person has to approve what comes after {rung}")
        if next_needs != held.run.needs:  # another kind of place: whoever has one goes on
            return _end(connection, held, State.QUEUED, now, "")
        return State.RUNNING


def same_function(database: Database, held: Claim, fingerprint: str) -> int | None:
    """Claim a fingerprint for this run; where another run of the profile has it, end as its duplicate and say which."""
    with database.writing() as connection:
        _must_hold(connection, held)
        now = database.time(connection)
        run, profile = held.run.id, held.run.profile_digest
        insert_unless_known(connection, fingerprints, profile_digest=profile, fingerprint=fingerprint, run=run)
        key = {"profile_digest": profile, "fingerprint": fingerprint}
        first = int(connection.execute(select(fingerprints.c.run).filter_by(**key)).scalar_one())
        connection.execute(update(runs).where(runs.c.id == run).values(fingerprint=fingerprint))
        if first == run:
            return None
        given_up = select(runs.c.id).where(runs.c.id == first, runs.c.state.in_((State.FAILED, State.CANCELLED)))
        if connection.execute(given_up).first() is not None:  # it will not answer for others: this one takes over
            connection.execute(update(fingerprints).filter_by(**key).values(run=run))
            return None
        reason = f"the same function as run {first}"
        _end(connection, held, State.DUPLICATE, now, reason, same_as=first)
        return first


def reject(database: Database, held: Claim, reason: str) -> None:
    """The candidate's fault: no retry."""
    with database.writing() as connection:
        _must_hold(connection, held)
        _end(connection, held, State.REJECTED, database.time(connection), reason)


def fault(database: Database, held: Claim, why: str, back_off: float = BACK_OFF) -> State:
    """A fault of ours: queue the run again, later each time, until its attempts are used up."""
    with database.writing() as connection:
        _must_hold(connection, held)
        now = database.time(connection)
        leave(connection, held.run.id, held.attempt)
        faults = int(connection.execute(select(runs.c.faults).where(runs.c.id == held.run.id)).scalar_one())
        return again(connection, held.run.id, faults + 1, now, why, back_off)


def release(database: Database, held: Claim) -> None:
    """The worker is asked to stop: queue the run again at once; no fault is counted."""
    with database.writing() as connection:
        _must_hold(connection, held)
        _end(connection, held, State.QUEUED, database.time(connection), "")


def _end(connection: Connection, held: Claim, state: State, now: float, reason: str, **values: object) -> State:
    run = held.run.id
    leave(connection, run, held.attempt)
    move(connection, run, state, now, reason=reason, **NOBODY, **values)
    record(connection, run, now, str(state), attempt=held.attempt, reason=reason)
    return state
