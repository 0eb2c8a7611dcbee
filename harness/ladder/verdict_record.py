"""The statement about one verdict: what was judged, by what, under what circumstances, and how it came out."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from harness.attestation import times
from harness.attestation.envelope import seal
from harness.attestation.statement import NO_VERDICT, TEST_RESULT, statement
from harness.checks.bank import made_of
from harness.core import text as sanitize
from harness.core.errors import UserError
from harness.core.profiles import load
from harness.core.verdict import Accepted, Rejected, Severity, Undecided
from harness.core.version import __version__
from harness.images.examined import Host, last
from harness.images.inputs import inputs_for
from harness.ladder.rungs import PACKAGES, code_of
from harness.report.json_report import SCHEMA_NAME, compared_digest
from harness.report.wording import strict

if TYPE_CHECKING:
    from harness.attestation.keys import Signing
    from harness.checks.options import Options
    from harness.core.result import CheckReport, CheckResult
    from harness.core.verdict import Json, Verdict

#: What an option or a fact is called where nobody chose or knows one.
_NONE = ""


def verdict_statement(report: CheckReport, result: CheckResult, options: Options, nonce: str = "") -> dict[str, Json]:
    """The statement about one result of a report. `nonce` is the word of whoever asked for the record.

    Raises UserError for a result without a candidate: of a file that could not be read there is nothing to be said.
    """
    if not result.sha256:
        raise UserError(f"{result.path} was not read, so that no record can be about it", remedy="give a file")
    verdict = result.verdict
    about = {sanitize.name(PurePosixPath(result.path).name): result.sha256}
    configuration = _configuration(report, result, options, nonce)
    if not isinstance(verdict, Accepted | Rejected):
        reason = verdict.reason if isinstance(verdict, Undecided) else "nothing was asked for but the screen"
        nothing: dict[str, Json] = {
            "verdict": verdict.word,
            "reason": sanitize.clean(reason),
            "configuration": configuration,
        }
        return statement(NO_VERDICT, about, nothing)
    failed = _rules(verdict, Severity.ERROR) | {r for r, came in result.properties.items() if came == "failed"}
    warned = (
        _rules(verdict, Severity.WARNING) | {r for r, came in result.properties.items() if came == "warned"}
    ) - failed
    passed = {rule for rule, came in result.properties.items() if came == "passed"} - failed - warned
    predicate: dict[str, Json] = {
        "result": "FAILED" if isinstance(verdict, Rejected) else "WARNED" if warned else "PASSED",
        "configuration": configuration,
        "passedTests": [*sorted(passed)],
        "warnedTests": [*sorted(warned)],
        "failedTests": [*sorted(failed)],
    }
    return statement(TEST_RESULT, about, predicate)


def seal_verdicts(report: CheckReport, options: Options, signing: Signing, nonce: str = "") -> bytes:
    """The records of all results, a line each, without those whose file could not be read."""
    return b"".join(
        seal(verdict_statement(report, result, options, nonce), signing) for result in report.results if result.sha256
    )


def _rules(verdict: Verdict, severity: Severity) -> set[str]:
    return {finding.rule for finding in verdict.findings if finding.severity is severity}


def _configuration(report: CheckReport, result: CheckResult, options: Options, nonce: str) -> list[Json]:
    """What was used, in the order that the form wants it in."""
    profile, environment = load(report.profile), result.environment
    image = str(environment.get("image_digest", "")).removeprefix("sha256:")
    variant = "cpu" if environment.get("device", "cpu") == "cpu" else "cuda"
    return [
        _part(
            "harness",
            code_of("properties"),
            version=__version__,
            python=platform.python_version(),
            packages={name: importlib.metadata.version(name) for name in PACKAGES["properties"]},
        ),
        _part("profile", profile.digest, name=profile.name, contract=profile.contract),
        _part("questions", made_of(profile, report.seed), seed=report.seed),
        _part("image", image, tag=str(environment.get("image", "")), own=options.image is not None),
        _part("lock", hashlib.sha256(inputs_for(variant).files["lock.txt"]).hexdigest()),
        _part("report", compared_digest(report, result), schema=SCHEMA_NAME),
        _part("findings", "", findings=_findings(result), not_run=dict(result.not_run)),
        _part(
            "circumstances",
            "",
            time=times.spelt(times.now()),
            nonce=nonce,
            device=str(environment.get("device", _NONE)),
            screen=str(environment.get("screen", "on")),
            runtime=str(environment.get("runtime", _NONE)),
            entry=options.entry or _NONE,
            machine=dict(result.machine),
            doctor=_doctor(result),
        ),
    ]


def _part(part: str, sha256: str, /, **annotations: Json) -> Json:
    told = {"annotations": strict(annotations)} if annotations else {}
    return {"name": part, **({"digest": {"sha256": sha256}} if sha256 else {}), **told}


def _findings(result: CheckResult) -> list[Json]:
    return [
        {"rule": each.rule, "severity": str(each.severity), "message": sanitize.clean(each.message)}
        for each in result.verdict.findings
    ]


def _doctor(result: CheckResult) -> Json:
    """What `harness doctor` last found where this was made, and when; or that it never looked."""
    told = result.environment
    found = last(
        Host(
            engine=str(result.machine.get("engine", "")),
            image=str(told.get("image_digest", "")),
            runtime=str(told.get("runtime", "")),
            gpu=told.get("device") != "cpu",
        )
    )
    if found is None:
        return {"result": "not examined"}
    return {"result": found.result, "time": found.time, "sha256": found.sha256}
