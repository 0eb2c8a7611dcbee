"""Small records of each kind, and whole chains of them, signed by keys of the test's own."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from harness.attestation import times
from harness.attestation.envelope import PAYLOAD_TYPE, canonical, seal
from harness.attestation.keys import Keyring
from harness.attestation.statement import (
    ARCHIVE,
    DISCOVERY,
    DISCOVERY_ARCHIVE,
    GATE_DECISION,
    JUDGEMENT,
    LEADERBOARD,
    LEDGER_HEAD,
    NEXT_KEY,
    NO_VERDICT,
    OF_DISCOVERY,
    OF_JUDGEMENT,
    OF_RUNG,
    OF_VERDICT,
    PROMOTION,
    RUNG_RESULT,
    TEST_RESULT,
    statement,
)
from harness.attestation.verify import Asked, verify
from harness.core.profiles import load
from harness.core.result import CheckReport, CheckResult
from harness.core.verdict import Accepted, Finding, Location, Severity, Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from harness.attestation.keys import Signing, TrustedKey
    from harness.attestation.verified import Verified

CANDIDATE, OTHER = "c0" * 32, "0c" * 32
LADDER = "1a" * 32
RUNGS = (("screening", "screen"), ("properties", "properties"), ("training", "train"))


RAISES = Finding(
    "W202",
    "raises",
    Severity.ERROR,
    "it raised RuntimeError",
    "Make it work.",
    {"beta": 0.05, "rho": [3.75, 1.0]},
    Location(12, 5),
    "RuntimeError: size mismatch",
)


def result(verdict: Verdict | None = None, **changes: Any) -> CheckResult:
    """A result that accepts, with changes."""
    base: dict[str, Any] = {
        "path": "examples/loss.py",
        "sha256": "5f" * 32,
        "name": "loss",
        "facts": {"slope_at_zero": 1.0, "uses": ["beta"]},
        "properties": {"S105": "passed"},
        "environment": {"device": "cpu"},
        "timings": {"total": 1.25},
    }
    return CheckResult(**{**base, "verdict": verdict or Accepted(), **changes})


def report(*results: CheckResult) -> CheckReport:
    """A report of these."""
    return CheckReport("2026.1", 0, results)


def ring_in(folder: Path) -> Keyring:
    """A ring with a key."""
    ring = Keyring(folder)
    ring.init()
    return ring


def part(name: str, digest: str = "", /, **annotations: Any) -> dict[str, Any]:
    """A part of a configuration."""
    return {
        "name": name,
        **({"digest": {"sha256": digest}} if digest else {}),
        **({"annotations": annotations} if annotations else {}),
    }


def digest_of(line: bytes) -> str:
    """By what other records name it."""
    return hashlib.sha256(line).hexdigest()


class Made:
    """Makes records by a key, each a microsecond after the one before."""

    def __init__(self, signing: Signing) -> None:
        self.signing = signing
        self.when = datetime.now(UTC) - timedelta(milliseconds=1)
        since = signing.trusted.since
        self.when = max(self.when, since) if since else self.when

    def time(self) -> str:
        self.when += timedelta(microseconds=1)
        return times.spelt(self.when)

    def parts(self, names: tuple[str, ...], **told: Any) -> list[dict[str, Any]]:
        nonce = told.pop("nonce", "")
        given = {name: told.pop(name) for name in names if name in told}
        last = part("circumstances", time=told.pop("time", None) or self.time(), nonce=nonce, **told)
        made = [given.get(name) or part(name, hashlib.sha256(name.encode()).hexdigest()) for name in names[:-1]]
        return [*made, last]

    def timed(self, **said: Any) -> dict[str, Any]:
        return {"time": self.time(), "nonce": "", **said}

    def seal(self, kind: str, predicate: dict[str, Any], about: str = CANDIDATE, name: str = "loss.py") -> bytes:
        return seal(statement(kind, {name: about}, predicate), self.signing)

    def verdict_predicate(self, result: str = "PASSED", **told: Any) -> dict[str, Any]:
        return {
            "result": result,
            "configuration": self.parts(OF_VERDICT, **told),
            "passedTests": ["P301"] if result == "PASSED" else [],
            "warnedTests": ["P302"] if result == "WARNED" else [],
            "failedTests": ["P303"] if result == "FAILED" else [],
        }

    def verdict(self, result: str = "PASSED", about: str = CANDIDATE, **told: Any) -> bytes:
        return self.seal(TEST_RESULT, self.verdict_predicate(result, **told), about)

    def no_verdict(self, verdict: str = "screened", about: str = CANDIDATE, **told: Any) -> bytes:
        said = {"verdict": verdict, "reason": "so", "configuration": self.parts(OF_VERDICT, **told)}
        return self.seal(NO_VERDICT, said, about)

    def rung_result(self, position: int, about: str = CANDIDATE, **told: Any) -> bytes:
        ladder = told.pop("ladder", LADDER)
        evaluation = part("evaluation", told.pop("evaluation", "ee" * 32))
        said = {
            "configuration": self.parts(OF_RUNG, evaluation=evaluation, **told),
            "rung": rung(position, ladder),
            "seeds": {"0": {"loss": 0.5, "worst": "nan"}},
            "documents": {"metrics.json": "dd" * 32},
        }
        return self.seal(RUNG_RESULT, said, about)

    def decision(self, position: int, result: bytes, previous: str, about: str = CANDIDATE, **told: Any) -> bytes:
        said = {
            "time": self.time(),
            "nonce": "",
            "rung": told.get("rung") or rung(position, told.get("ladder", LADDER)),
            "decision": told.get("decision", "promote"),
            "reason": "so",
            "detail": {},
            "result": digest_of(result),
            "previous": previous,
        }
        return self.seal(GATE_DECISION, said, about)

    def promotion(self, position: int, decision: bytes, previous: str, about: str = CANDIDATE, **told: Any) -> bytes:
        said = {
            "time": self.time(),
            "nonce": "",
            "rung": told.get("rung") or rung(position, told.get("ladder", LADDER)),
            "evaluation": told.get("evaluation", "ee" * 32),
            "decision": digest_of(decision),
            "previous": previous,
        }
        return self.seal(PROMOTION, said, about)

    def result(self, position: int, about: str = CANDIDATE, ladder: str = LADDER) -> bytes:
        """What a rung came to: the first screens, the second judges, the third trains."""
        told = {"ladder": ladder, "rung": RUNGS[position][0]}
        if position == 0:
            return self.no_verdict("screened", about, **told)
        if position == 1:
            return self.verdict("PASSED", about, **told)
        return self.rung_result(position, about, ladder=ladder)

    def chain(self, about: str = CANDIDATE, ladder: str = LADDER, rungs: int = 3) -> list[bytes]:
        """Result, decision and promotion of each rung, the lowest first."""
        out: list[bytes] = []
        previous = ""
        for position in range(rungs):
            result = self.result(position, about, ladder)
            decision = self.decision(position, result, previous, about, ladder=ladder)
            promotion = self.promotion(position, decision, previous, about, ladder=ladder)
            out += [result, decision, promotion]
            previous = digest_of(promotion)
        return out


def rung(position: int, ladder: str = LADDER) -> dict[str, Any]:
    """A rung as records name it."""
    name, kind = RUNGS[position]
    return {"name": name, "kind": kind, "position": position, "ladder": ladder}


#: The names of all kinds, as `every_kind` has them.
KINDS = (
    "verdict",
    "no verdict",
    "rung result",
    "gate decision",
    "promotion",
    "next key",
    "leaderboard",
    "ledger head",
    "archive",
    "discovery",
    "discovery archive",
    "judgement",
)


def every_kind(made: Made) -> dict[str, bytes]:
    """A sound record of each kind."""
    result, decision, promotion = made.chain(rungs=1)
    told = {"time": made.time(), "nonce": "", "public": "-----BEGIN PUBLIC KEY-----"}
    place = {"rank": 1, "candidate": CANDIDATE, "run": 1, "rung": "training", "metric": "reward", "seeds": 2}
    figures = {"mean": 0.5, "low": "-inf", "high": 1.0, "record": digest_of(promotion)}
    board = {"ladder": LADDER, "name": "bandit", "harness": "1", "places": [{**place, **figures}]}
    found = [{"name": "one", "candidate": CANDIDATE, "generation": -1, "record": ""}]
    came_to = {"ended": "so", "archive": "ab" * 32, "duel": "", "found": found}
    return {
        "verdict": made.verdict(),
        "no verdict": result,
        "rung result": made.rung_result(2),
        "gate decision": decision,
        "promotion": promotion,
        "next key": made.seal(NEXT_KEY, told),
        "leaderboard": made.seal(LEADERBOARD, made.timed(**board)),
        "ledger head": made.seal(LEDGER_HEAD, made.timed(event=3)),
        "archive": made.seal(ARCHIVE, made.timed(candidate=CANDIDATE, ladder=LADDER, run=1, state="completed")),
        "discovery": made.seal(DISCOVERY, {"configuration": made.parts(OF_DISCOVERY), **came_to}),
        "discovery archive": made.seal(DISCOVERY_ARCHIVE, made.timed(ladder=LADDER, discovery="dc" * 32)),
        "judgement": made.seal(
            JUDGEMENT, {"configuration": made.parts(OF_JUDGEMENT), "kind": "pairwise", "result": {"win_rate": 0.5}}
        ),
    }


def statement_in(line: bytes) -> Any:
    """What an envelope holds."""
    return json.loads(base64.b64decode(json.loads(line)["payload"]))


def resealed(document: Any, signing: Signing) -> bytes:
    """An envelope of whatever is given, signed by the key itself: nothing is looked at."""
    return seal(document, signing)


def unsigned(payload: bytes, keyid: str = "0" * 64) -> bytes:
    """An envelope with a signature that is none."""
    signed: list[Any] = [{"keyid": keyid, "sig": base64.b64encode(b"x" * 64).decode()}]
    whole: Any = {"payload": base64.b64encode(payload).decode(), "payloadType": PAYLOAD_TYPE, "signatures": signed}
    return canonical(whole) + b"\n"


def verified(lines: list[bytes], keys: tuple[TrustedKey, ...], **asked: Any) -> list[Verified]:
    """Look at these records now, by those keys, and hold them against nothing."""
    given, newest = asked.pop("given", {}), asked.pop("newest", {})
    at = asked.pop("at", None) or times.now()
    return verify([(f"r:{n}", line) for n, line in enumerate(lines, 1)], keys, Asked(at, **asked), given, newest)


def problems(lines: list[bytes], keys: tuple[TrustedKey, ...], **asked: Any) -> str:
    """All that is wrong, in one text; empty where nothing is."""
    return "; ".join(problem for each in verified(lines, keys, **asked) for problem in each.problems)


def whole_verdict(made: Made, **told: Any) -> dict[str, Any]:
    """The predicate of a verdict by a profile that is known here, with all of its rules."""
    profile = load("2026.2")
    said = made.verdict_predicate(profile=part("profile", profile.digest, name=profile.name), **told)
    said["passedTests"] = sorted(set(profile.properties) - set(dict(profile.not_run)))
    return said
