"""The statement about one verdict: what was judged, by what, under what circumstances, and how it came out."""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from harness.attestation.envelope import seal
from harness.attestation.statement import NO_VERDICT, TEST_RESULT, statement
from harness.checks.bank import made_of
from harness.core import text as sanitize
from harness.core.errors import UserError
from harness.core.profiles import load
from harness.core.verdict import Accepted, Rejected, Severity, Undecided
from harness.images.inputs import inputs_for
from harness.ladder.record_parts import circumstances_part, harness_part, image_part, part, profile_part
from harness.report.json_report import SCHEMA_NAME, compared_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.attestation.keys import Signing
    from harness.checks.options import Options
    from harness.core.result import CheckReport, CheckResult
    from harness.core.verdict import Json, Verdict


def verdict_statement(
    report: CheckReport, result: CheckResult, options: Options, nonce: str = "", rung: Mapping[str, str] | None = None
) -> dict[str, Json]:
    """The statement about one result of a report. `nonce` is the word of whoever asked for the record.

    `rung` tells the ladder's digest and the rung's name, where it is a rung that judged.

    Raises UserError for a result without a candidate: of a file that could not be read there is nothing to be said.
    """
    if not result.sha256:
        raise UserError(f"{result.path} was not read, so that no record can be about it", remedy="give a file")
    verdict = result.verdict
    about = {sanitize.name(PurePosixPath(result.path).name): result.sha256}
    configuration = _configuration(report, result, options, nonce, rung or {})
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


def _configuration(
    report: CheckReport, result: CheckResult, options: Options, nonce: str, rung: Mapping[str, str]
) -> list[Json]:
    """What was used, in the order that the form wants it in."""
    profile, environment = load(report.profile), result.environment
    variant = "cpu" if environment.get("device", "cpu") == "cpu" else "cuda"
    return [
        harness_part("properties"),
        profile_part(profile),
        part("questions", made_of(profile, report.seed), seed=report.seed),
        image_part(environment, own=options.image is not None),
        part("lock", hashlib.sha256(inputs_for(variant).files["lock.txt"]).hexdigest()),
        part("report", compared_digest(report, result), schema=SCHEMA_NAME),
        part("findings", "", findings=_findings(result), not_run=dict(result.not_run)),
        circumstances_part(environment, result.machine, nonce, entry=options.entry or "", **rung),
    ]


def _findings(result: CheckResult) -> list[Json]:
    return [
        {"rule": each.rule, "severity": str(each.severity), "message": sanitize.clean(each.message)}
        for each in result.verdict.findings
    ]
