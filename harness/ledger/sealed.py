"""Signed records beside what they are about: written in the transaction that decides, and read as files of records.

The ledger knows no key and no form of a record: who checkpoints a rung hands in what signs (`Seal`), and is told what
stands in the ledger at that moment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from harness.ledger import event_chain
from harness.ledger.records import Score
from harness.ledger.tables import attachments, results, sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection

    from harness.ledger.database import Database
    from harness.ledger.records import Claim

#: The kind of the record that a rung's successor names.
PROMOTION = "urn:harness:promotion:v1"
#: The kind of the record of the chain's head.
HEAD = "urn:harness:ledger-head:v1"


@dataclass(frozen=True)
class Ending:
    """A rung's end as it stands in the ledger, in the transaction that writes it.

    `documents` are what the rung left, digests by name; `previous` is the digest of the record of the promotion from
    the rung below, empty where there is none.
    """

    rung: str
    position: int
    attempt: int
    scores: Sequence[Score]
    documents: Mapping[str, str]
    previous: str


@dataclass(frozen=True)
class SealedRecord:
    """A record: what kind of statement is in it, its digest, and its line."""

    kind: str
    sha256: str
    line: bytes = field(repr=False)


@dataclass(frozen=True)
class Seal:
    """What signs a rung's end: its records, in the order that they name each other; and the head of the events' chain.

    The head is told by the number of the newest event and its link.
    """

    end: Callable[[Ending], Sequence[SealedRecord]]
    head: Callable[[int, str], SealedRecord]


def seal_end(connection: Connection, held: Claim, rung: str, position: int, now: float, seal: Seal) -> list[str]:
    """Have a rung's end signed, and keep the records; in the caller's transaction. Gives their digests."""
    run = held.run.id
    of_rung = (results.c.run == run) & (results.c.rung == rung)
    measured = connection.execute(select(results).where(of_rung).order_by(results.c.seed, results.c.metric))
    scores = [
        Score(row.seed, row.metric, row.value if row.value is not None else float(row.spelt or math.nan))
        for row in measured
    ]
    left = select(attachments.c.name, attachments.c.artifact).where(
        attachments.c.run == run, attachments.c.rung == rung
    )
    documents = {row.name: row.artifact for row in connection.execute(left)}
    below = (
        select(sealed.c.sha256)
        .where(sealed.c.run == run, sealed.c.position == position - 1, sealed.c.kind == PROMOTION)
        .order_by(sealed.c.id.desc())
        .limit(1)
    )
    previous = connection.execute(below).scalar() or ""
    made = seal.end(Ending(rung, position, held.attempt, scores, documents, previous))
    common = {"run": run, "rung": rung, "position": position, "attempt": held.attempt, "time": now}
    rows = [{**common, "kind": one.kind, "sha256": one.sha256, "line": one.line} for one in made]
    connection.execute(insert(sealed), rows)
    return [one.sha256 for one in made]


def seal_head(connection: Connection, held: Claim, rung: str, position: int, now: float, seal: Seal) -> None:
    """Write what has happened in this transaction, have the chain's head signed, and keep that record."""
    one = seal.head(*event_chain.write(connection))
    row = {"run": held.run.id, "rung": rung, "position": position, "attempt": held.attempt, "time": now}
    connection.execute(insert(sealed), [{**row, "kind": one.kind, "sha256": one.sha256, "line": one.line}])


def sealed_of(database: Database, run: int) -> list[SealedRecord]:
    """The records of a run's last way up, oldest first: those of an earlier one, before it was run again, left out.

    The signed heads are of the whole ledger, and none of them.
    """
    wanted = select(sealed).where(sealed.c.run == run, sealed.c.kind != HEAD).order_by(sealed.c.id)
    with database.reading() as connection:
        rows = connection.execute(wanted).all()
    # A way begins with the records of the first rung, which one attempt writes at once.
    first = max((row.attempt for row in rows if row.position == 0), default=0)
    return [SealedRecord(row.kind, row.sha256, row.line) for row in rows if row.attempt >= first]
