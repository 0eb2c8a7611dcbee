"""The records of a rung's end: what it came to, what its gate said, and the promotion that follows from it.

Each names the one before it by its digest, and a promotion the one from the rung below, so that none can be left out or
put in the place of another. They are signed in the transaction that writes the decision down, from what stands there.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.attestation import times
from harness.attestation.envelope import seal
from harness.attestation.statement import GATE_DECISION, LEDGER_HEAD, PROMOTION, RUNG_RESULT, statement
from harness.core import text as sanitize
from harness.core.profiles import load
from harness.core.result import CheckReport
from harness.ladder.record_parts import circumstances_part, harness_part, image_part, part, profile_part
from harness.ladder.verdict_record import verdict_statement
from harness.ledger.records import plain
from harness.ledger.sealed import Seal, SealedRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.attestation.keys import Signing
    from harness.checks.checker import Checker
    from harness.core.result import CheckResult
    from harness.core.verdict import Json
    from harness.ladder.plan import Ladder, RungPlan
    from harness.ledger import Ledger
    from harness.ledger.records import Decision
    from harness.ledger.sealed import Ending


#: What the baseline's metrics of a seed are called among a run's documents, by the seed.
BASELINE = "baseline-{}.json"
#: What the digests are called there of the data that were trained on, and of the weights, by the seed.
FILES = "files-{}.json"


@dataclass(frozen=True)
class RungEnd:
    """A rung that a candidate has come to the end of.

    `evaluation` is the digest of what decides about the outcome besides the candidate; `judged` what a rung that judges
    came to; `files` by seed the digests of the data that were trained on and of the weights; `chosen` the values that
    were tuned for the candidate's parameters; `trainer` by what it was trained, as `where:digest`, empty where nothing
    was.
    """

    checker: Checker
    ladder: Ladder
    plan: RungPlan
    candidate: str
    name: str
    evaluation: str
    judged: CheckResult | None
    files: Mapping[str, Mapping[str, Mapping[str, str]]]
    chosen: Mapping[str, float]
    trainer: str


def sealing(signing: Signing, end: RungEnd, decision: Decision) -> Seal:
    """What signs that end, once the ledger tells how it stands there."""

    def sealed(ending: Ending) -> Sequence[SealedRecord]:
        subject = {sanitize.name(end.name): end.candidate}
        rung: dict[str, Json] = {
            "name": end.plan.name,
            "kind": end.plan.kind,
            "position": ending.position,
            "ladder": end.ladder.digest,
        }
        result = _sealed(_result(end, ending, subject, rung), signing)
        common: dict[str, Json] = {"time": times.spelt(times.now()), "nonce": "", "rung": rung}
        said: dict[str, Json] = {
            **common,
            "decision": decision.decision,
            "reason": sanitize.clean(decision.reason),
            "detail": plain(decision.detail),
            "result": result.sha256,
            "previous": ending.previous,
        }
        decided = _sealed(statement(GATE_DECISION, subject, said), signing)
        if decision.decision != "promote":
            return result, decided
        promoted: dict[str, Json] = {
            **common,
            "evaluation": end.evaluation,
            "decision": decided.sha256,
            "previous": ending.previous,
        }
        return result, decided, _sealed(statement(PROMOTION, subject, promoted), signing)

    def head(event: int, link: str) -> SealedRecord:
        said: dict[str, Json] = {"time": times.spelt(times.now()), "nonce": "", "event": event}
        return _sealed(statement(LEDGER_HEAD, {"the newest link": link}, said), signing)

    return Seal(sealed, head)


def _sealed(said: Mapping[str, Json], signing: Signing) -> SealedRecord:
    line = seal(dict(said), signing)
    return SealedRecord(str(said["predicateType"]), hashlib.sha256(line).hexdigest(), line)


def _result(end: RungEnd, ending: Ending, subject: Mapping[str, str], rung: dict[str, Json]) -> dict[str, Json]:
    """What the gate decided by: a verdict, or the metrics by seed."""
    checker = end.checker
    if end.judged is not None:
        of = {"ladder": end.ladder.digest, "rung": end.plan.name}
        report = CheckReport(end.ladder.properties, 0, (end.judged,))
        return verdict_statement(report, end.judged, checker.options, rung=of)
    seeds: dict[str, dict[str, Json]] = {}
    for score in ending.scores:
        seeds.setdefault(str(score.seed), {})[score.metric] = plain(float(score.value))
    weights = {
        f"weights/{seed}/{name}": digest
        for seed, made in end.files.items()
        for name, digest in made.get("weights", {}).items()
    }
    configuration: list[Json] = [
        harness_part(end.plan.kind, end.plan.baseline),
        profile_part(load(end.ladder.properties)),
        part("ladder", end.ladder.digest, name=end.ladder.name),
        part("evaluation", end.evaluation),
        image_part(checker.environment, own=checker.options.image is not None),
        part("trainer", end.trainer.rpartition(":")[2], where=end.trainer.partition(":")[0]),
        circumstances_part(
            checker.environment,
            checker.machine,
            "",
            attempt=ending.attempt,
            parameters=dict(end.chosen),
            data={seed: dict(made.get("data", {})) for seed, made in end.files.items()},
        ),
    ]
    said: dict[str, Json] = {
        "configuration": configuration,
        "rung": rung,
        "seeds": {seed: dict(metrics) for seed, metrics in seeds.items()},
        "documents": dict(ending.documents),
    }
    return statement(RUNG_RESULT, {**subject, **weights}, said)


def weights_of(ledger: Ledger, run: int, rung: str, seed: int) -> dict[str, str] | None:
    """The digests of the weights that a run's rung trained at a seed, by file; None where it did not."""
    found = [data for one, data in ledger.documents(run, FILES.format(seed)) if one.rung == rung]
    return json.loads(found[-1])["weights"] if found else None


def files_of(documents: Mapping[str, bytes]) -> dict[str, dict[str, dict[str, str]]]:
    """By seed the digests of data and weights, from the documents that seeds left."""
    out = {}
    for name, data in documents.items():
        seed = name.removeprefix("files-").removesuffix(".json")
        out[seed] = json.loads(data)
    return out
