"""A ledger whose rows were changed behind the workers' backs: each change is named, whoever made it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from ledger_samples import PROFILE, candidate, checkpoint, claim, submit
from sealing_samples import climbed, end_rung, keys
from sqlalchemy import delete, insert, select, text, update

from harness.attestation import times
from harness.attestation.envelope import opened, seal
from harness.attestation.verify import Asked
from harness.ledger import event_chain
from harness.ledger.failures import LedgerError
from harness.ledger.sealed import HEAD, Seal
from harness.ledger.tables import metadata
from harness.ledger.verification import look, newest_head

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Table

    from harness.attestation.keys import Keyring
    from harness.ledger import Ledger


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return keys(tmp_path / "keys")


@pytest.fixture
def full(ledger: Ledger, ring: Keyring) -> Ledger:
    climbed(ledger, ring)
    return ledger


def problems(ledger: Ledger, ring: Keyring, *heads: bytes) -> list[str]:
    return look(ledger.database, ring.trusted(), Asked(times.now()), heads).problems


def table(name: str) -> Table:
    return metadata.tables[name]


def tamper(ledger: Ledger, *statements: Any) -> None:
    """Write as somebody who has the database and nothing else."""
    with ledger.database.writing() as connection:
        for statement in statements:
            connection.execute(statement)


def test_what_the_workers_wrote_is_as_they_wrote_it(full: Ledger, ring: Keyring) -> None:
    looked = look(full.database, ring.trusted(), Asked(times.now()))
    assert looked.problems == []
    # Three rungs with promotions and two with one: a result, a decision, a promotion each, and a rejection without one.
    assert (looked.records, looked.heads, looked.texts) == (14, 5, 2)
    assert looked.documents == 5
    assert looked.events >= 2 + 2 + 5 + 2


def test_nothing_is_wrong_with_runs_that_were_stopped_retried_cancelled_and_run_again(
    full: Ledger, ring: Keyring
) -> None:
    entries = [candidate(0)]
    full.submit(entries, **PROFILE, needs="cpu", again=True)
    end_rung(full, ring, claim(full), 0)
    (other,) = submit(full, (7,))
    full.cancel(other, "no longer wanted")
    full.retry(other)
    (third,) = submit(full, (8,))
    full.cancel(third)
    assert problems(full, ring) == []


#: Every change of one row that makes something else of the ledger, with what is said of it.
CHANGES: dict[str, tuple[Any, str]] = {
    "an event's words": (
        lambda: update(table("events")).where(table("events").c.id == 3).values(kind="approved"),
        "event 3 (approved of run 1) was edited",
    ),
    "an event's time": (
        lambda: update(table("events")).where(table("events").c.id == 4).values(time=1.0),
        "event 4 (decided of run 1) was edited",
    ),
    "an event of another run": (
        lambda: update(table("events")).where(table("events").c.id == 4).values(run=2),
        "event 4 (decided of run 2) was edited",
    ),
    "an event's link": (
        lambda: update(table("events")).where(table("events").c.id == 4).values(link="0" * 64),
        "event 4 (decided of run 1) was edited, with its digest, or has another link",
    ),
    "an event that is gone": (lambda: delete(table("events")).where(table("events").c.id == 4), "event 4 was removed"),
    "the first event": (lambda: delete(table("events")).where(table("events").c.id == 1), "event 1 was removed"),
    "several events": (
        lambda: delete(table("events")).where(table("events").c.id.between(3, 5)),
        "events 3 to 5 were removed",
    ),
    "a record's line": (
        lambda: update(table("sealed")).where(table("sealed").c.id == 1).values(line=b"{}\n"),
        "record 1 of run 1 was changed",
    ),
    "a record that is gone": (
        lambda: delete(table("sealed")).where(table("sealed").c.id == 2),
        "names was removed",
    ),
    "a head's line": (
        lambda: update(table("sealed")).where(table("sealed").c.kind == HEAD).values(line=b"{}\n"),
        "(a signed head): it is no envelope",
    ),
    "a decision": (
        lambda: update(table("decisions")).where(table("decisions").c.run == 2).values(decision="promote"),
        "was edited: its record says",
    ),
    "a decision's reason": (
        lambda: update(table("decisions")).where(table("decisions").c.id == 1).values(reason="bribed"),
        "the decision 1 of run 1 at zero was edited",
    ),
    "a decision's figures": (
        lambda: update(table("decisions")).where(table("decisions").c.id == 1).values(detail={"difference": 5.0}),
        "the decision 1 of run 1 at zero was edited",
    ),
    "a decision that is gone": (
        lambda: delete(table("decisions")).where(table("decisions").c.id == 1),
        "the decision of run 1 at zero was removed",
    ),
    "a decision that nobody made": (
        lambda: insert(table("decisions")).values(
            run=2, rung="two", attempt=1, decision="promote", reason="", detail={}, time=1.0
        ),
        "of run 2 at two has no record",
    ),
    "a promotion that is gone": (
        lambda: delete(table("promotions")).where(table("promotions").c.id == 1),
        "the promotion of run 1 from zero was removed or edited",
    ),
    "a promotion's evaluation": (
        lambda: update(table("promotions")).where(table("promotions").c.id == 1).values(evaluation="e" * 64),
        "the promotion of run 1 from zero was removed or edited",
    ),
    "a promotion that nobody made": (
        lambda: insert(table("promotions")).values(
            candidate=candidate(1)[0].sha256,
            profile_digest=PROFILE["profile_digest"],
            evaluation="f" * 64,
            run=2,
            rung="two",
            attempt=1,
            time=1.0,
        ),
        "of run 2 from two has no record",
    ),
    "a metric": (
        lambda: (
            update(table("results"))
            .where(table("results").c.run == 1, table("results").c.rung == "one", table("results").c.seed == 1)
            .values(value=9.0)
        ),
        "the metrics of run 1 at one, seed 1, are not those of its record",
    ),
    "a metric that is gone": (
        lambda: delete(table("results")).where(table("results").c.run == 1, table("results").c.rung == "one"),
        "the metrics of run 1 at one, seed 0, are not those of its record",
    ),
    "a metric that nobody measured": (
        lambda: insert(table("results")).values(
            run=1, rung="one", seed=7, metric="reward", value=9.0, spelt="", attempt=1
        ),
        "the metrics of run 1 at one, seed 7, are not those of its record",
    ),
    "a document that is gone": (
        lambda: delete(table("attachments")).where(table("attachments").c.run == 1),
        "the document curve-0.json of run 1 at zero is not that of its record",
    ),
    "a document's bytes": (lambda: update(table("artifacts")).values(data=b"other"), "was edited"),
    "a candidate's text": (lambda: update(table("candidates")).values(text=b"other"), "the text of candidate"),
    "the state of a run that was rejected": (
        lambda: update(table("runs")).where(table("runs").c.id == 2).values(state="completed"),
        "run 2 is completed, and no event says so",
    ),
    "the state of a run that is over": (
        lambda: update(table("runs")).where(table("runs").c.id == 2).values(state="queued"),
        "run 2 is queued, and by its events it is rejected",
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_named(full: Ledger, ring: Keyring, what: str) -> None:
    change, told = CHANGES[what]
    tamper(full, change())
    found = problems(full, ring)
    assert any(told in problem for problem in found), found


def test_an_event_that_was_put_in_is_named(full: Ledger, ring: Keyring) -> None:
    events = table("events")
    with full.database.reading() as connection:
        rows = connection.execute(select(events).order_by(events.c.id)).all()
    shift = update(events).where(events.c.id > 3).values(id=events.c.id + 1000)
    back = update(events).where(events.c.id > 1000).values(id=events.c.id - 999)
    detail = {"reason": ""}
    sha256 = event_chain.digest_of(2, 5.0, "completed", detail)
    new = {"id": 4, "run": 2, "time": 5.0, "kind": "completed", "detail": detail, "sha256": sha256}
    link = event_chain.link_after(rows[2].link, sha256)
    tamper(full, shift, back, insert(events).values(**new, link=link))
    assert "event 4 (completed of run 2) was inserted" in problems(full, ring)


def test_events_that_were_moved_are_named(full: Ledger, ring: Keyring) -> None:
    events = table("events")
    moves = [update(events).where(events.c.id == a).values(id=b) for a, b in ((4, 999), (5, 4), (999, 5))]
    tamper(full, *moves)
    found = problems(full, ring)
    assert any("was moved: it follows from event 3, and stands after event 4" in problem for problem in found), found


def _chained_anew(connection: Connection) -> None:
    """Make all links anew, as somebody would who can write everything and sign nothing."""
    events, link = table("events"), event_chain.FIRST
    for row in connection.execute(select(events).order_by(events.c.id)).all():
        sha256 = event_chain.digest_of(row.run, row.time, row.kind, row.detail)
        link = event_chain.link_after(link, sha256)
        connection.execute(update(events).where(events.c.id == row.id).values(sha256=sha256, link=link))


def test_who_makes_the_whole_chain_anew_is_named_by_the_signed_heads(full: Ledger, ring: Keyring) -> None:
    events = table("events")
    with full.database.writing() as connection:
        connection.execute(update(events).where(events.c.id == 3).values(time=1.0))
        _chained_anew(connection)
    found = problems(full, ring)
    assert found
    assert all("are not those over which record" in problem for problem in found)
    assert len(found) == 5


def test_rows_taken_off_the_end_are_named_by_a_head_that_was_kept(full: Ledger, ring: Keyring) -> None:
    """The whole last decision, with all that tells of it: what is left is a ledger as it once was, but for the runs."""
    kept = newest_head(full.database)
    with full.database.reading() as connection:
        last = connection.execute(select(table("sealed")).order_by(table("sealed").c.id.desc())).all()
        first = min(row.id for row in last if row.run == 2 and row.position == 1)
        events = connection.execute(select(table("events")).order_by(table("events").c.id)).all()
    decided = next(row.id for row in events if row.run == 2 and row.detail.get("rung") == "one")
    tamper(
        full,
        delete(table("sealed")).where(table("sealed").c.id >= first),
        delete(table("events")).where(table("events").c.id >= decided),
        delete(table("decisions")).where(table("decisions").c.run == 2, table("decisions").c.rung == "one"),
        update(table("runs")).where(table("runs").c.id == 2).values(state="running"),
    )
    assert problems(full, ring) == []
    (found,) = problems(full, ring, kept)
    assert "were removed: the head that was kept, line 1 was signed over them" in found


def test_a_record_of_another_run_is_no_record_of_this_one(full: Ledger, ring: Keyring) -> None:
    sealed = table("sealed")
    tamper(full, update(sealed).where(sealed.c.id == 1).values(run=2))
    assert problems(full, ring)


def test_who_is_not_trusted_has_signed_nothing(full: Ledger, tmp_path: Path) -> None:
    found = problems(full, keys(tmp_path / "others"))
    assert sum("nobody trusts the key that it names" in problem for problem in found) == 14 + 5


def test_a_record_that_its_own_installation_signed_and_no_worker_wrote_is_named(full: Ledger, ring: Keyring) -> None:
    """A key that was stolen signs a promotion: no event tells of it."""
    sealed = table("sealed")
    with full.database.reading() as connection:
        row = connection.execute(select(sealed).where(sealed.c.id == 1)).one()
    said = opened(row.line).statement
    said["predicate"]["seeds"]["0"]["reward"] = 99.0
    line = seal(said, ring.signing())
    digest = hashlib.sha256(line).hexdigest()
    values = {**row._mapping, "id": 999, "sha256": digest, "line": line}
    tamper(full, insert(sealed).values(**values))
    assert any("was inserted: no event names it" in problem for problem in problems(full, ring))


def test_a_repeated_checkpoint_signs_once(ledger: Ledger, ring: Keyring) -> None:
    submit(ledger)
    held = claim(ledger)
    end_rung(ledger, ring, held, 0)
    with ledger.database.reading() as connection:
        before = connection.execute(text("select count(*) from sealed")).scalar()
    end_rung(ledger, ring, held, 0)
    with ledger.database.reading() as connection:
        assert connection.execute(text("select count(*) from sealed")).scalar() == before
    assert problems(ledger, ring) == []


def test_a_promotion_that_cannot_be_signed_is_not_made(ledger: Ledger) -> None:
    submit(ledger)
    held = claim(ledger)

    def refuses(_: object) -> list[Any]:
        raise RuntimeError("no key")

    with pytest.raises(RuntimeError, match="no key"):
        checkpoint(ledger, held, 0, seal=Seal(refuses, lambda *_: None))  # type: ignore[arg-type]
    assert not ledger.promotions()
    assert not ledger.decisions(held.run.id)
    assert "decided" not in json.dumps([event.kind for event in ledger.events(held.run.id)])


def test_a_head_that_was_changed_is_not_given_as_one(full: Ledger) -> None:
    assert opened(newest_head(full.database)).statement["predicateType"] == HEAD
    tamper(full, update(table("sealed")).where(table("sealed").c.kind == HEAD).values(line=b"\xff::error::\n"))
    with pytest.raises(LedgerError, match="was changed"):
        newest_head(full.database)
