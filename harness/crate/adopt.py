"""Take the run of an archive into a ledger: what stands there afterwards is what its signed records say."""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from harness.attestation.envelope import opened as envelope
from harness.attestation.statement import (
    ArchiveStatement,
    GateDecisionStatement,
    PromotionStatement,
    RungResultStatement,
)
from harness.core.candidate import Candidate
from harness.core.errors import UserError
from harness.crate.parts import SIGNED, said_in
from harness.crate.write import DOCUMENTS
from harness.ladder.ladder import names, parse
from harness.ledger.adopted import Adopted
from harness.ledger.records import Decision, Score, State
from harness.ledger.sealed import SealedRecord

if TYPE_CHECKING:
    from harness.core.verdict import Json
    from harness.crate.read import RunCrate
    from harness.ledger import Ledger


def adopt(ledger: Ledger, crate: RunCrate, archive: str) -> int:
    """Take a verified archive's run in; `archive` is its SHA-256 (hex). Gives the run's number in this ledger.

    Raises UserError for a run that did not end at a gate, or that the ledger has.
    """
    name, text = crate.candidate
    ladder = parse(crate.ladder[1])
    lines = [line for where, line in crate.records if not where.startswith(SIGNED)]
    about = said_in(crate.files[SIGNED])
    said = [(line, said_in(line)) for line in lines]
    if not isinstance(about, ArchiveStatement) or about.predicate.state not in {State.COMPLETED, State.REJECTED}:
        raise UserError("its run did not end at a gate", remedy="take in runs that were completed or rejected")
    positions = {one.predicate.rung.name: one.predicate.rung.position for _, one in said if isinstance(one, _DECIDING)}
    scores: dict[str, list[Score]] = {}
    decided: list[tuple[str, Decision]] = []
    promoted: dict[str, str] = {}
    records: list[tuple[str, int, SealedRecord]] = []
    at = ladder.rungs[0].name
    for line, one in said:
        if isinstance(one, RungResultStatement):
            at = one.predicate.rung.name
            scores[at] = [
                Score(int(seed), metric, float(value))  # "nan", "inf" and "-inf" too
                for seed, metrics in one.predicate.seeds.items()
                for metric, value in metrics.items()
            ]
        elif isinstance(one, GateDecisionStatement):
            at = one.predicate.rung.name
            decided.append((at, Decision(one.predicate.decision, one.predicate.reason, one.predicate.detail)))
        elif isinstance(one, PromotionStatement):
            at = one.predicate.rung.name
            promoted[at] = one.predicate.evaluation
        else:
            at = str(one.predicate.annotations("circumstances").get("rung"))  # type: ignore[union-attr] # a verdict
        made = SealedRecord(one.predicateType, hashlib.sha256(line).hexdigest(), line)
        records.append((at, positions.get(at, 0), made))
    if ladder.name not in names():
        ledger.keep(crate.ladder[1])
    told: dict[str, Json] = {"archive": archive, "key": envelope(crate.files[SIGNED]).keyid, "was": about.predicate.run}
    return ledger.adopt(
        Adopted(
            candidate=Candidate(PurePosixPath(name).name, text, hashlib.sha256(text).hexdigest()),
            name=PurePosixPath(name).stem,
            profile=ladder.name,
            profile_digest=about.predicate.ladder,
            state=State(about.predicate.state),
            decisions=decided,
            scores=scores,
            documents=[
                (*file.removeprefix(f"{DOCUMENTS}/").split("/", 1), data)  # type: ignore[misc] # a rung, and a name
                for file, data in crate.files.items()
                if file.startswith(f"{DOCUMENTS}/")
            ],
            promotions=promoted,
            records=records,
            told=told,
        )
    )


_DECIDING = (RungResultStatement, GateDecisionStatement, PromotionStatement)
