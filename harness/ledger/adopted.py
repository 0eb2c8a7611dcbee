"""A run that another ledger's workers made, taken in with its records. Whoever takes it in has verified it before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from harness.core.errors import UserError
from harness.ledger.database import insert_unless_known
from harness.ledger.documents import packed
from harness.ledger.queue import record
from harness.ledger.records import State, clean, plain
from harness.ledger.tables import artifacts, attachments, candidates, decisions, promotions, results, runs, sealed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Table

    from harness.core.candidate import Candidate
    from harness.core.verdict import Json
    from harness.ledger.database import Database
    from harness.ledger.records import Decision, Score
    from harness.ledger.sealed import SealedRecord

#: The event that tells of a run that was made elsewhere.
IMPORTED = "imported"
#: All that an imported run came to, it came to in one.
_ATTEMPT = 1


@dataclass(frozen=True)
class Adopted:
    """A run that has ended. What belongs to a rung has its name; `decisions` are in the order of the rungs.

    `promotions` are the evaluations by rung, `records` its signed records with rung and position, `told` what the event
    is to say of where it comes from.
    """

    candidate: Candidate
    name: str
    profile: str
    profile_digest: str
    state: State
    decisions: Sequence[tuple[str, Decision]]
    scores: Mapping[str, Sequence[Score]]
    documents: Sequence[tuple[str, str, bytes]]
    promotions: Mapping[str, str]
    records: Sequence[tuple[str, int, SealedRecord]]
    told: Mapping[str, Json]


def adopt(database: Database, one: Adopted) -> int:
    """Take a run in, all of it or nothing; give its number. Raises UserError where there is one of that candidate."""
    with database.writing() as connection:
        now = database.time(connection)
        mine = (runs.c.candidate == one.candidate.sha256) & (runs.c.profile_digest == one.profile_digest)
        if (known := connection.execute(select(runs.c.id).where(mine)).scalar()) is not None:
            raise UserError(
                f"this ledger has a run of that candidate on that ladder: run {known}",
                remedy=f"`harness show {known}`, or take it into another ledger (--folder)",
            )
        path, name = clean(one.candidate.path), clean(one.name)
        text = {"sha256": one.candidate.sha256, "name": name, "path": path, "text": one.candidate.data}
        insert_unless_known(connection, candidates, [text | {"submitted": now}])
        reason = clean(one.decisions[-1][1].reason) if one.decisions else ""
        row = {
            "candidate": one.candidate.sha256,
            "profile": one.profile,
            "profile_digest": one.profile_digest,
            "state": one.state,
            "rung": len(one.promotions),
            "needs": "cpu",
            "place": now,
            "attempt": _ATTEMPT,
            "reason": reason,
            "submitted": now,
            "changed": now,
        }
        run = int(connection.execute(insert(runs).values(**row).returning(runs.c.id)).scalar_one())
        of_run = {"run": run, "attempt": _ATTEMPT}
        rows: dict[Table, list[dict[str, Any]]] = {
            results: [
                {**of_run, "rung": rung, "seed": score.seed, "metric": score.metric, "value": value, "spelt": spelt}
                for rung, scores in one.scores.items()
                for score in scores
                for value, spelt in [score.stored()]
            ],
            decisions: [
                {
                    **of_run,
                    "rung": rung,
                    "time": now,
                    "decision": said.decision,
                    "reason": clean(said.reason),
                    "detail": plain(said.detail),
                }
                for rung, said in one.decisions
            ],
            sealed: [
                {
                    **of_run,
                    "rung": rung,
                    "position": position,
                    "time": now,
                    "kind": made.kind,
                    "sha256": made.sha256,
                    "line": made.line,
                }
                for rung, position, made in one.records
            ],
        }
        for rung, called, data in one.documents:
            digest, document = packed(data, called)
            insert_unless_known(connection, artifacts, [{**document, "time": now}])
            rows.setdefault(attachments, []).append({**of_run, "rung": rung, "name": called, "artifact": digest})
        for table, many in rows.items():
            if many:
                connection.execute(insert(table), many)
        proof = {**of_run, "candidate": one.candidate.sha256, "profile_digest": one.profile_digest, "time": now}
        made_of = [{**proof, "rung": rung, "evaluation": digest} for rung, digest in one.promotions.items()]
        if made_of:
            insert_unless_known(connection, promotions, made_of)
        record(connection, run, now, IMPORTED, records=[made.sha256 for _, _, made in one.records], **one.told)
        record(connection, run, now, str(one.state), reason=reason)
        return run
