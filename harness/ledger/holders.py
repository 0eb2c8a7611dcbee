"""Who holds a run: the worker's host, process and place, until when, and whether it is still there at all."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from harness.core import processes
from harness.ledger.states import State
from harness.ledger.tables import runs, slots

if TYPE_CHECKING:
    from harness.ledger.database import Database

#: No lease is longer, in seconds, and no wait: what ends later was written before the database's clock was set back.
LONGEST_LEASE = 3600.0
#: HOST/PID/PROCESS/TOKEN: the first two for people, the third for machines, the last for several workers of a process.
_PARTS = 4


@dataclass(frozen=True)
class Holder:
    """Who holds a run. `left` are the seconds until the lease ends, by the database's clock; below 0 it has ended."""

    owner: str
    place: str
    left: float

    @property
    def lapsed(self) -> bool:
        """Whether the next one who claims the run gets it."""
        return not 0.0 <= self.left <= LONGEST_LEASE or is_gone(self.owner)

    @property
    def told(self) -> str:
        """Host, process and place in a few words."""
        host, _, rest = self.owner.partition("/")
        pid = rest.partition("/")[0]
        who = f"process {pid} on {host}" if pid.isdigit() else self.owner
        return f"{who} (worker {self.place})" if self.place else who


def new_owner() -> str:
    """A name for a worker of this process: no other has it, and it tells whether its process lives."""
    return f"{owner_name()}/{processes.this()}/{secrets.token_hex(4)}"


def owner_name() -> str:
    """Host and number of this process, as leases begin."""
    return f"{socket.gethostname()}/{os.getpid()}"


def is_gone(owner: str) -> bool:
    """Whether the process that an owner's name tells of is certainly dead: its lease is worth nothing any more."""
    parts = owner.split("/")
    return len(parts) == _PARTS and processes.is_gone(parts[2])


def holder_of(database: Database, run: int) -> Holder | None:
    """Who holds a run; None where nobody does."""
    of = (slots.c.run == runs.c.id) & (slots.c.attempt == runs.c.attempt)
    wanted = select(runs.c.owner, runs.c.lease, slots.c.name, database.now.label("now"))
    wanted = wanted.outerjoin(slots, of).where(runs.c.id == run, runs.c.state == State.RUNNING)
    with database.reading() as connection:
        row = connection.execute(wanted).first()
    if row is None or row.owner is None:
        return None
    return Holder(row.owner, row.name or "", float(row.lease or 0.0) - float(row.now))
