"""Whether a ledger is as its workers wrote it: the chain of events, the signed records, and the rows that they tell of.

Covered: an event, a record, a decision, a promotion, a metric, a document, a text or a final state that was changed,
taken out, put in or moved, whoever wrote it, as long as there are signed records on both sides of it. Not covered: what
no record tells of yet (runs that are not decided, times, priorities), and rows taken off the end together with every
signed head after them; a head that was kept elsewhere shows that.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, text

from harness.attestation.envelope import AlteredError, opened
from harness.attestation.statement import (
    GateDecisionStatement,
    LedgerHeadStatement,
    NoStatementError,
    PromotionStatement,
    RungResultStatement,
    made_at,
    read,
)
from harness.attestation.verify import verify
from harness.core.digests import json_digest
from harness.ledger.documents import unpacked
from harness.ledger.event_chain import FIRST, digest_of, link_after
from harness.ledger.failures import LedgerError
from harness.ledger.records import State, plain
from harness.ledger.sealed import HEAD, PROMOTION
from harness.ledger.tables import (
    artifacts,
    attachments,
    candidates,
    decisions,
    events,
    promotions,
    results,
    runs,
    sealed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Row

    from harness.attestation.keys import TrustedKey
    from harness.attestation.statement import Statement
    from harness.attestation.verify import Asked
    from harness.ledger.database import Database

#: The events that bring a run to each final state.
_ENDS = {
    State.COMPLETED: {"completed"},
    State.REJECTED: {"rejected", "refused"},
    State.DUPLICATE: {"duplicate"},
    State.FAILED: {"failed"},
    State.CANCELLED: {"cancelled"},
}
#: The events that name signed records.
_TELL = {"decided", "imported"}
#: What a run goes on with after it has ended.
_AGAIN = {"again", "retried", "took-over", "queued-again", "claimed"}


@dataclass
class Looked:
    """What was looked at, by number, and what is wrong, each named by its row."""

    events: int = 0
    records: int = 0
    heads: int = 0
    texts: int = 0
    documents: int = 0
    problems: list[str] = field(default_factory=list)


def look(database: Database, keys: Sequence[TrustedKey], asked: Asked, heads: Sequence[bytes] = ()) -> Looked:
    """Look at a whole ledger, as it stands at one moment. `heads` are records of its head that were kept elsewhere."""
    out = Looked()
    with database.reading() as connection:
        if not database.is_sqlite:
            connection.execute(text("set transaction isolation level repeatable read"))
        chain = connection.execute(select(events).order_by(events.c.id)).all()
        rows = connection.execute(select(sealed).order_by(sealed.c.id)).all()
        out.events = len(chain)
        out.problems += _broken_links(chain)
        out.problems += _heads(out, chain, rows, keys, asked, heads)
        known = _records(out, rows, keys, asked)
        out.problems += _named_by_events(chain, rows)
        out.problems += _rows_of_records(connection, known)
        out.problems += _states(connection, chain)
        out.problems += _contents(out, connection)
    return out


def _named(row: Row[Any]) -> str:
    return f"event {row.id} ({row.kind} of run {row.run})"


def _broken_links(chain: Sequence[Row[Any]]) -> Iterator[str]:
    """Events that do not say what their digest is of, or do not follow from the one before them."""
    for place, row in enumerate(chain):
        edited = digest_of(row.run, row.time, row.kind, row.detail) != row.sha256
        if edited:
            yield f"{_named(row)} was edited"
        if not _follows(row, chain[place - 1] if place else None):
            yield from _why_unlinked(chain, place, edited=edited)


def _follows(row: Row[Any], before: Row[Any] | None) -> bool:
    return bool(link_after(FIRST if before is None else before.link, row.sha256) == row.link)


def _why_unlinked(chain: Sequence[Row[Any]], place: int, *, edited: bool) -> Iterator[str]:
    """What became of an event that does not follow from the one before it."""
    row, number = chain[place], chain[place - 1].id if place else 0
    from_place = next((n for n in range(-1, len(chain)) if _follows(row, chain[n] if n >= 0 else None)), None)
    if from_place is not None:
        between = range(from_place + 1, place)
        # Nothing outside goes on from what was put in between.
        if between and not any(
            _follows(chain[n], chain[b]) for b in between for n in range(len(chain)) if n not in between
        ):
            yield from (f"{_named(chain[n])} was inserted" for n in between)
        else:
            where = f"event {chain[from_place].id}" if from_place >= 0 else "the beginning"
            yield f"{_named(row)} was moved: it follows from {where}, and stands after event {number}"
    elif place + 1 < len(chain) and _follows(chain[place + 1], chain[place - 1] if place else None):
        yield f"{_named(row)} was inserted"
    elif row.id > number + 1:
        one = row.id == number + 2
        missing = f"event {number + 1} was" if one else f"events {number + 1} to {row.id - 1} were"
        yield f"{missing} removed: {_named(row)} follows from none that is there"
    elif not edited:
        yield f"{_named(row)} was edited, with its digest, or has another link than it had"


def _heads(
    out: Looked,
    chain: Sequence[Row[Any]],
    rows: Sequence[Row[Any]],
    keys: Sequence[TrustedKey],
    asked: Asked,
    kept: Sequence[bytes],
) -> Iterator[str]:
    """Signed heads that name links that are not there."""
    links = {row.id: row.link for row in chain}
    newest = chain[-1].id if chain else 0
    lines = [(f"record {row.id}", row.line) for row in rows if row.kind == HEAD]
    elsewhere = [(f"the head that was kept, line {number}", line) for number, line in enumerate(kept, 1)]
    for each in (*verify(lines, keys, asked, {}, {}), *verify(elsewhere, keys, asked, {}, {})):
        out.heads += 1
        yield from (f"{each.source} (a signed head): {problem}" for problem in each.problems)
        head = each.statement
        if not each.holds or not isinstance(head, LedgerHeadStatement):
            continue
        number, when = head.predicate.event, f"{made_at(head):%Y-%m-%d %H:%M:%S}"
        if number > newest:
            yield f"events {newest + 1} to {number} were removed: {each.source} was signed over them on {when}"
        elif links.get(number) != each.candidate:
            yield f"events up to {number} are not those over which {each.source} was signed on {when}"


def _records(
    out: Looked, rows: Sequence[Row[Any]], keys: Sequence[TrustedKey], asked: Asked
) -> dict[int, list[tuple[Row[Any], Statement]]]:
    """The sound records of each run's last way up; what is wrong with any of any way is told."""
    ways: dict[tuple[int, int], list[Row[Any]]] = {}
    begun: dict[int, int] = {}
    for row in rows:
        if row.kind == HEAD:
            continue
        out.records += 1
        if hashlib.sha256(row.line).hexdigest() != row.sha256:
            out.problems.append(f"record {row.id} of run {row.run} was changed")
        if row.position == 0:
            begun[row.run] = row.attempt
        ways.setdefault((row.run, begun.get(row.run, row.attempt)), []).append(row)
    sound: dict[int, list[tuple[Row[Any], Statement]]] = {}
    for (run, way), of_way in ways.items():
        found = verify([(f"record {row.id} of run {run}", row.line) for row in of_way], keys, asked, {}, {})
        out.problems += [f"{each.source}: {problem}" for each in found for problem in each.problems]
        if way == begun.get(run, way):
            pairs = zip(of_way, found, strict=True)
            sound[run] = [(row, each.statement) for row, each in pairs if each.holds and each.statement is not None]
    return sound


def _named_by_events(chain: Sequence[Row[Any]], rows: Sequence[Row[Any]]) -> Iterator[str]:
    """Records that an event names and that are gone, and records that none names."""
    told = {str(digest): row for row in chain if row.kind in _TELL for digest in row.detail.get("records", ())}
    there = {row.sha256: row for row in rows if row.kind != HEAD}
    for digest in told.keys() - there.keys():
        yield f"the record {digest[:12]} that {_named(told[digest])} names was removed"
    for digest in there.keys() - told.keys():
        row = there[digest]
        yield f"record {row.id} of run {row.run} was inserted: no event names it"


def _rows_of_records(
    connection: Connection, known: Mapping[int, Sequence[tuple[Row[Any], Statement]]]
) -> Iterator[str]:
    """Decisions, promotions, metrics and documents that are not those of which the records tell."""
    said = {run: {(row.rung, type(one)): one for row, one in of_run} for run, of_run in known.items()}
    for row in connection.execute(select(decisions)):
        one = said.get(row.run, {}).get((row.rung, GateDecisionStatement))
        where = f"the decision {row.id} of run {row.run} at {row.rung}"
        if not isinstance(one, GateDecisionStatement):
            yield f"{where} has no record: an older version made it, or nobody of ours"
            continue
        of_record = (one.predicate.decision, one.predicate.reason, json_digest(one.predicate.detail))
        if (row.decision, row.reason, json_digest(row.detail)) != of_record:
            yield f"{where} was edited: its record says {one.predicate.decision}"
    yield from _promotions(connection, known)
    yield from _measured(connection, said)
    there = {(row.run, row.rung) for row in connection.execute(select(decisions.c.run, decisions.c.rung))}
    for run, of_run in said.items():
        for rung in {rung for rung, kind in of_run if kind is GateDecisionStatement and (run, rung) not in there}:
            yield f"the decision of run {run} at {rung} was removed"


def _promotions(connection: Connection, known: Mapping[int, Sequence[tuple[Row[Any], Statement]]]) -> Iterator[str]:
    rows = connection.execute(select(promotions)).all()
    there = {(row.candidate, row.profile_digest, row.evaluation) for row in rows}
    lines = connection.execute(select(sealed.c.line).where(sealed.c.kind == PROMOTION)).scalars()
    signed = set()
    for line in lines:
        try:
            one = read(opened(line).statement)
        except (AlteredError, NoStatementError):
            continue  # told already
        if isinstance(one, PromotionStatement):
            signed.add((one.subject[0].digest.sha256, one.predicate.rung.ladder, one.predicate.evaluation))
    for row in rows:
        if (row.candidate, row.profile_digest, row.evaluation) not in signed:
            where = f"the promotion {row.id} of run {row.run} from {row.rung}"
            yield f"{where} has no record: an older version made it, or nobody of ours"
    for run, of_run in known.items():
        for _, one in of_run:
            if not isinstance(one, PromotionStatement):
                continue
            if (one.subject[0].digest.sha256, one.predicate.rung.ladder, one.predicate.evaluation) not in there:
                yield f"the promotion of run {run} from {one.predicate.rung.name} was removed or edited"


def _measured(connection: Connection, said: Mapping[int, Mapping[tuple[str, type], Statement]]) -> Iterator[str]:
    """Metrics and documents of rungs that were decided."""
    seeds: dict[tuple[int, str], dict[str, dict[str, Any]]] = {}
    for row in connection.execute(select(results)):
        value = row.value if row.value is not None else plain(float(row.spelt or "nan"))
        seeds.setdefault((row.run, row.rung), {}).setdefault(str(row.seed), {})[row.metric] = value
    left: dict[tuple[int, str], dict[str, str]] = {}
    for row in connection.execute(select(attachments)):
        left.setdefault((row.run, row.rung), {})[row.name] = row.artifact
    for run, of_run in said.items():
        for (rung, _), one in of_run.items():
            if not isinstance(one, RungResultStatement):
                continue
            wanted, there = one.predicate.seeds, seeds.get((run, rung), {})
            for seed in sorted(wanted.keys() | there.keys(), key=int):
                if wanted.get(seed) != there.get(seed):
                    yield f"the metrics of run {run} at {rung}, seed {seed}, are not those of its record"
            for name in sorted(one.predicate.documents.keys() | left.get((run, rung), {}).keys()):
                if one.predicate.documents.get(name) != left.get((run, rung), {}).get(name):
                    yield f"the document {name} of run {run} at {rung} is not that of its record"


def _states(connection: Connection, chain: Sequence[Row[Any]]) -> Iterator[str]:
    """Runs whose final state no event tells of."""
    last: dict[int, str] = {}
    ends = set().union(*_ENDS.values())
    for row in chain:
        if row.kind in ends or row.kind in _AGAIN:
            last[row.run] = row.kind
    for number, state in connection.execute(select(runs.c.id, runs.c.state).order_by(runs.c.id)).all():
        wanted = _ENDS.get(State(state))
        if wanted is not None and last.get(number) not in wanted:
            yield f"run {number} is {state}, and no event says so"
        elif wanted is None and last.get(number) in ends:
            yield f"run {number} is {state}, and by its events it is {last[number]}"


def _contents(out: Looked, connection: Connection) -> Iterator[str]:
    """Texts and documents whose bytes are not those of their digests."""
    for row in connection.execute(select(candidates.c.sha256, candidates.c.text)):
        out.texts += 1
        if hashlib.sha256(row.text).hexdigest() != row.sha256:
            yield f"the text of candidate {row.sha256[:12]} was edited"
    for row in connection.execute(select(artifacts.c.sha256, artifacts.c.data)):
        out.documents += 1
        try:
            unpacked(row.data, row.sha256)
        except LedgerError:
            yield f"the document {row.sha256[:12]} was edited"


def newest_head(database: Database) -> bytes:
    """The newest signed head; empty where nothing was decided yet. Raises LedgerError for one that was changed."""
    wanted = select(sealed.c.line).where(sealed.c.kind == HEAD).order_by(sealed.c.id.desc()).limit(1)
    with database.reading() as connection:
        line = bytes(connection.execute(wanted).scalar() or b"")
    try:
        return opened(line).line if line else b""
    except AlteredError as error:
        raise LedgerError(
            "the newest signed head was changed", remedy="`harness ledger verify` names what was"
        ) from error
