"""Candidates in: one run for each candidate and profile, however often it is submitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from harness.ledger.database import insert_unless_known
from harness.ledger.events import record
from harness.ledger.records import Submission
from harness.ledger.states import State
from harness.ledger.tables import candidates, runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.candidate import Candidate
    from harness.ledger.database import Database

#: Head start of one step of priority, in seconds. A run that has waited this much longer is as urgent, so that a
#: stream of urgent ones cannot keep it waiting for ever.
PRIORITY_SECONDS = 600.0


def submit(
    database: Database,
    entries: Sequence[tuple[Candidate, str]],
    *,
    profile: str,
    profile_digest: str,
    needs: str,
    priority: int = 0,
) -> list[Submission]:
    """Queue candidates, each with its name; one transaction for all. Those that have a run get that one."""
    out = []
    with database.writing() as connection:
        now = database.time(connection)
        for candidate, name in entries:
            insert_unless_known(
                connection,
                candidates,
                sha256=candidate.sha256,
                name=name,
                path=candidate.path,
                size=len(candidate.data),
                submitted=now,
            )
            fresh = insert_unless_known(
                connection,
                runs,
                candidate=candidate.sha256,
                profile=profile,
                profile_digest=profile_digest,
                state=State.QUEUED,
                rung=0,
                needs=needs,
                priority=priority,
                place=now - priority * PRIORITY_SECONDS,
                not_before=0.0,
                attempt=0,
                faults=0,
                approved=-1,
                reason="",
                submitted=now,
                changed=now,
            )
            wanted = (runs.c.candidate == candidate.sha256) & (runs.c.profile_digest == profile_digest)
            run = int(connection.execute(select(runs.c.id).where(wanted)).scalar_one())
            record(connection, run, now, "submitted" if fresh else "submitted-again", priority=priority)
            out.append(Submission(run, fresh))
    return out
