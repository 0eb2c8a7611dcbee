"""Documents of runs, such as reports, in the database: whoever has it can read them, whichever machine made them.

They are kept by content and compressed, and are small. What is large (weights) goes into `Ledger.artifacts`, the
folder of the machine that made it.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from harness.core.errors import UserError
from harness.ledger.database import insert_unless_known, replace_all
from harness.ledger.failures import COPY, LedgerError
from harness.ledger.progress import must_hold
from harness.ledger.records import clean
from harness.ledger.tables import artifacts, attachments, decisions, results

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from harness.ledger.database import Database
    from harness.ledger.records import Claim, Run

#: The largest document, in bytes before it is compressed.
MOST_BYTES = 4 << 20
#: What stands in place of a rung for what a run came to before it was run again.
EARLIER = "earlier"


@dataclass(frozen=True)
class Attachment:
    """A document of a run: where it came up, what it is called, the SHA-256 and the number of its bytes."""

    rung: str
    name: str
    sha256: str
    size: int


def attach(database: Database, held: Claim, rung: str, name: str, data: bytes) -> str:
    """Keep a document of a run, in place of an earlier one of that rung and name; give its digest.

    Raises LeaseLostError from an attempt that no longer holds the run, LedgerError for more than 4 MiB.
    """
    digest, row = _packed(data, name)  # before anybody waits for this transaction
    with database.writing() as connection:
        now = float(must_hold(connection, held, database.now).now)
        insert_unless_known(connection, artifacts, **row, time=now)
        entry = {"run": held.run.id, "rung": rung, "name": name, "artifact": digest, "attempt": held.attempt}
        replace_all(connection, attachments, [entry], "artifact", "attempt")
    return digest


def set_aside(connection: Connection, run: Run, now: float) -> None:
    """Put what a run came to into one document of it, so that it can be run anew; in the caller's transaction.

    Its metrics, decisions and documents are taken away; the documents' bytes stay, under the digests that are told.
    """
    kept = {
        table.name: [
            {name: value for name, value in row._mapping.items() if name not in {"run", "id"}}  # noqa: SLF001 - as in look
            for row in connection.execute(
                select(table).where(table.c.run == run.id).order_by(*table.primary_key.columns)
            )
        ]
        for table in (results, decisions, attachments)
    }
    earlier = [one for one in kept["attachments"] if one["rung"] == EARLIER]
    kept["attachments"] = [one for one in kept["attachments"] if one["rung"] != EARLIER]
    told = {"state": str(run.state), "reason": run.reason, "same_as": run.same_as, "attempt": run.attempt, **kept}
    name = f"run-{len(earlier) + 1}.json"
    digest, row = _packed(json.dumps(told, sort_keys=True).encode(), name)
    for table in (results, decisions):
        connection.execute(delete(table).where(table.c.run == run.id))
    connection.execute(delete(attachments).where(attachments.c.run == run.id, attachments.c.rung != EARLIER))
    insert_unless_known(connection, artifacts, **row, time=now)
    entry = {"run": run.id, "rung": EARLIER, "name": name, "artifact": digest, "attempt": run.attempt}
    replace_all(connection, attachments, [entry], "artifact", "attempt")


def keep(database: Database, data: bytes) -> str:
    """Keep a document that belongs to no single run; give its digest. Raises LedgerError for more than 4 MiB."""
    digest, row = _packed(data, "a document")
    with database.writing() as connection:
        insert_unless_known(connection, artifacts, **row, time=database.time(connection))
    return digest


def _packed(data: bytes, name: str) -> tuple[str, dict[str, object]]:
    """A document's digest, and its row but for the time."""
    if len(data) > MOST_BYTES:
        raise LedgerError(f"{name}, of {len(data)} bytes, is too large for the database", remedy="report it")
    digest = hashlib.sha256(data).hexdigest()
    return digest, {"sha256": digest, "data": zlib.compress(data, 6), "size": len(data)}


def attachments_of(database: Database, run: int) -> list[Attachment]:
    """The documents of a run, by rung and name."""
    wanted = (
        select(attachments.c.rung, attachments.c.name, attachments.c.artifact, artifacts.c.size)
        .join(artifacts, artifacts.c.sha256 == attachments.c.artifact)
        .where(attachments.c.run == run)
        .order_by(attachments.c.rung, attachments.c.name)
    )
    with database.reading() as connection:
        return [Attachment(row.rung, row.name, row.artifact, row.size) for row in connection.execute(wanted)]


def document(database: Database, digest: str) -> bytes:
    """A document's bytes. Raises UserError where there is none of that digest, LedgerError where it was changed."""
    wanted = select(artifacts.c.data, artifacts.c.size).where(artifacts.c.sha256 == clean(digest))
    with database.reading() as connection:
        row = connection.execute(wanted).first()
    if row is None:
        raise UserError(f"there is no document {clean(digest)[:80]} in this ledger", remedy="`harness show RUN`")
    try:
        data = zlib.decompressobj().decompress(row.data, MOST_BYTES + 1)
    except zlib.error:
        data = b""
    if hashlib.sha256(data).hexdigest() != digest:
        raise LedgerError(f"document {digest} is no longer what it was", remedy=COPY)
    return data
