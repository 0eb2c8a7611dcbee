"""Events as a chain: each has the digest of what it says, and a link made of that and of the link before it.

So no event can be changed, taken out, put in or moved without the links after it being made anew. Whoever can write to
the database could do that; the signed records of its head (`harness.ledger.sealed`) then name links that are not there.
What happens in a transaction is chained at its end, by one transaction at a time: the last lock that any of ours takes,
so that nobody waits in a circle.

Covered: every row of the table, whoever wrote it. Not covered: rows after the last signed head, taken off the end by
somebody who takes the signed heads off as well; a head that was kept elsewhere (`harness ledger head`) shows that.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select

from harness.ledger.tables import events, runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

#: The link before the first event.
FIRST = "0" * 64
#: One transaction at a time adds to the chain, in PostgreSQL too.
_LOCK = 4_711_003
_PENDING = "harness_events"


def begin(connection: Connection) -> None:
    """Nothing has happened yet in this transaction."""
    connection.info[_PENDING] = []


def add(connection: Connection, run: int, now: float, kind: str, detail: Mapping[str, Any]) -> None:
    """Have an event written when the transaction ends."""
    connection.info[_PENDING].append({"run": run, "time": now, "kind": kind, "detail": detail})


def waiting(connection: Connection) -> bool:
    """Whether anything has happened that is not written yet."""
    return bool(connection.info[_PENDING])


def write(connection: Connection) -> tuple[int, str]:
    """Write what has happened; give the number of the newest event and its link."""
    pending, connection.info[_PENDING] = connection.info[_PENDING], []
    if connection.dialect.name != "sqlite":
        # The rows that events point to are locked by writing them, and may be somebody else's: before the last lock.
        about = sorted({row["run"] for row in pending})
        rows = select(runs.c.id).where(runs.c.id.in_(about)).order_by(runs.c.id)
        connection.execute(rows.with_for_update(read=True, key_share=True)).all()
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    newest = select(events.c.id, events.c.link).order_by(events.c.id.desc()).limit(1)
    number, last = connection.execute(newest).one_or_none() or (0, FIRST)
    if not pending:
        return number, last
    for row in pending:
        row["sha256"] = digest_of(row["run"], row["time"], row["kind"], row["detail"])
        row["link"] = last = link_after(last, row["sha256"])
    connection.execute(insert(events), pending)
    return int(connection.execute(select(func.max(events.c.id))).scalar_one()), last


def digest_of(run: int, time: float, kind: str, detail: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of what an event says."""
    said = json.dumps([run, time, kind, detail], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(said.encode("ascii")).hexdigest()


def link_after(link: str, sha256: str) -> str:
    """The link of an event that says that, after the one that has that link."""
    return hashlib.sha256(f"{link}{sha256}".encode("ascii")).hexdigest()
