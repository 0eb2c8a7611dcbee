"""What runs leave, kept by content: small documents in the database, and large files in a folder of this machine.

Documents, such as reports, are compressed, and whoever has the database can read them, whichever machine made them.
What is large (weights) goes into `Ledger.artifacts`, the folder of the machine that made it, each file under the
SHA-256 of its bytes. Nothing is ever changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from harness.core.errors import UserError
from harness.core.files import LARGE, read_bytes, replacing, sync_folder
from harness.ledger.database import insert_unless_known, replace_all
from harness.ledger.failures import COPY, ROOM, LedgerError, disk_passes
from harness.ledger.progress import must_hold
from harness.ledger.records import clean
from harness.ledger.tables import artifacts, attachments, decisions, results

if TYPE_CHECKING:
    from pathlib import Path

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
    digest, row = packed(data, name)  # before anybody waits for this transaction
    with database.writing() as connection:
        now = float(must_hold(connection, held, database.now).now)
        insert_unless_known(connection, artifacts, [{**row, "time": now}])
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
    digest, row = packed(json.dumps(told, sort_keys=True).encode(), name)
    for table in (results, decisions):
        connection.execute(delete(table).where(table.c.run == run.id))
    connection.execute(delete(attachments).where(attachments.c.run == run.id, attachments.c.rung != EARLIER))
    insert_unless_known(connection, artifacts, [{**row, "time": now}])
    entry = {"run": run.id, "rung": EARLIER, "name": name, "artifact": digest, "attempt": run.attempt}
    replace_all(connection, attachments, [entry], "artifact", "attempt")


def keep(database: Database, data: bytes) -> str:
    """Keep a document that belongs to no single run, such as a ladder of the user's; give its digest.

    Raises LedgerError for more than 4 MiB.
    """
    digest, row = packed(data, "a document")
    with database.writing() as connection:
        insert_unless_known(connection, artifacts, [{**row, "time": database.time(connection)}])
    return digest


def packed(data: bytes, name: str) -> tuple[str, dict[str, object]]:
    """A document's digest, and its row but for the time."""
    if len(data) > MOST_BYTES:
        raise LedgerError(f"{name}, of {len(data)} bytes, is too large for the database", remedy="report it")
    digest = hashlib.sha256(data).hexdigest()
    return digest, {"sha256": digest, "data": zlib.compress(data, 6), "size": len(data)}


_ATTACHED = (
    select(attachments.c.rung, attachments.c.name, attachments.c.artifact, artifacts.c.size)
    .join(artifacts, artifacts.c.sha256 == attachments.c.artifact)
    .order_by(attachments.c.rung, attachments.c.name)
)


def attachments_of(database: Database, run: int) -> list[Attachment]:
    """The documents of a run, by rung and name."""
    with database.reading() as connection:
        return [Attachment(*row) for row in connection.execute(_ATTACHED.where(attachments.c.run == run))]


def document(database: Database, digest: str) -> bytes:
    """A document's bytes. Raises UserError where there is none of that digest, LedgerError where it was changed."""
    wanted = select(artifacts.c.data, artifacts.c.size).where(artifacts.c.sha256 == clean(digest))
    with database.reading() as connection:
        row = connection.execute(wanted).first()
    if row is None:
        raise UserError(f"there is no document {clean(digest)[:80]} in this ledger", remedy="`harness show RUN`")
    return unpacked(row.data, digest)


def documents_of(database: Database, run: int, like: str) -> list[tuple[Attachment, bytes]]:
    """The documents of a run whose names are like this (SQL's %), by rung and name, in one query.

    Raises LedgerError where one was changed.
    """
    with database.reading() as connection:
        rows = connection.execute(
            _ATTACHED.add_columns(artifacts.c.data).where(attachments.c.run == run, attachments.c.name.like(like))
        ).all()
    return [(Attachment(*row[:4]), unpacked(row.data, row.artifact)) for row in rows]


def unpacked(packed: bytes, digest: str) -> bytes:
    """A document's bytes, from its row. Raises LedgerError where they were changed."""
    try:
        data = zlib.decompressobj().decompress(packed, MOST_BYTES + 1)
    except zlib.error:
        data = b""
    if hashlib.sha256(data).hexdigest() != digest:
        raise LedgerError(f"document {digest} is no longer what it was", remedy=COPY)
    return data


class Artifacts:
    """A folder of files named by their digests, safe for several writers and for a power loss in the middle."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes) -> str:
        """Keep these bytes; give their digest. What was damaged is mended by it.

        They are on the disk when this returns. Raises LedgerError where the disk will not take them.
        """
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        try:
            if not _holds(path, digest):
                _make(path.parent)
                with replacing(path) as file:
                    file.write(data)
                    os.fchmod(file.fileno(), 0o444)
            sync_folder(path.parent)  # another writer may not have come to this yet
        except OSError as error:
            raise LedgerError(
                f"an artifact could not be kept in {self._folder}: {error.strerror or error}",
                remedy=ROOM,
                passing=disk_passes(error),
            ) from error
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes of a digest. Raises UserError where they are not there, LedgerError where they were changed."""
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise UserError(f"{digest[:80]!r} is no digest")
        try:
            data = read_bytes(self._path(digest), LARGE)
        except FileNotFoundError as error:
            raise UserError(f"there is no artifact {digest} in {self._folder}") from error
        except OSError as error:
            raise LedgerError(f"artifact {digest} could not be read: {error.strerror or error}", remedy=COPY) from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise LedgerError(f"artifact {digest} is no longer what it was", remedy=COPY)
        return data

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest[2:]


def _holds(path: Path, digest: str) -> bool:
    try:
        return hashlib.sha256(read_bytes(path, LARGE)).hexdigest() == digest
    except FileNotFoundError:
        return False


def _make(folder: Path) -> None:
    """Make a folder and those above it, each of them on the disk."""
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)
