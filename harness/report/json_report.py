"""The JSON report: strict JSON in ASCII, with a fixed order of keys, its form and JSON Schema; and the way back.

The form is version 1. Adding a field is a change of this version; changing one is not. The JSON Schema that ships in
`schema/report-v1.json` is generated from the models here, and a test holds the two together.
"""

from __future__ import annotations

import hashlib
import json
import math
from importlib import resources
from typing import TYPE_CHECKING, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from harness.core import text as sanitize
from harness.core.errors import InfrastructureError
from harness.core.result import CheckReport, CheckResult
from harness.core.verdict import Accepted, Finding, Location, Rejected, Screened, Severity, Undecided
from harness.core.version import __version__
from harness.report.wording import strict

if TYPE_CHECKING:
    from harness.core.verdict import Json, Verdict

SCHEMA_NAME = "harness.report/v1"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class LocationModel(_Model):
    """A place in the candidate's text; lines and columns count from 1, and 0 means unknown."""

    line: int = Field(ge=0)
    column: int = Field(ge=0)


class FindingModel(_Model):
    """A broken rule."""

    rule: str = Field(pattern=r"^[SWP][1-9][0-9]{2}$", description="The immutable id of the rule.")
    name: str = Field(description="The rule's name in kebab-case.")
    severity: Literal["error", "warning", "note"] = Field(description="Only an error rejects.")
    message: str = Field(description="What was seen.")
    fix: str = Field(description="What to change.")
    counterexample: dict[str, JsonValue] | None = Field(
        description="Numbers that reproduce the finding; NaN, Infinity and -Infinity are strings."
    )
    location: LocationModel | None
    detail: str = Field(description="Text of the candidate's making, such as a traceback: untrusted.")


class ResultModel(_Model):
    """One candidate, one verdict."""

    path: str
    sha256: str = Field(description="Digest of the candidate's bytes, in lower-case hex.")
    name: str = Field(description="What the candidate calls itself: untrusted.")
    verdict: Literal["accepted", "rejected", "undecided", "screened"] = Field(
        description="Screened: the screen found nothing to refuse, and nothing was judged."
    )
    reason: str | None = Field(description="Why nothing could be decided; null for the other verdicts.")
    remedy: str | None = Field(description="What a person can do about it; null for the other verdicts.")
    findings: list[FindingModel]
    facts: dict[str, JsonValue] = Field(description="What was learnt about the loss, as far as it got.")
    properties: dict[str, Literal["passed", "failed", "warned", "not-run"]]
    not_run: dict[str, str] = Field(default={}, description="Why, for each rule that was not run.")
    environment: dict[str, JsonValue] = Field(description="What the outcome may depend on besides the candidate.")
    machine: dict[str, JsonValue] = Field(default={}, description="Where it was made: differs between two machines.")
    timings: dict[str, float] = Field(description="Seconds; the only part that differs between two runs on one.")
    output: str = Field(description="What the candidate printed: untrusted, stripped, capped.")


class ReportModel(_Model):
    """All results of one command."""

    schema_: Literal["harness.report/v1"] = Field(alias="schema")
    harness_version: str
    profile: str
    seed: int
    exit_code: Literal[0, 1, 3] = Field(description="0 all accepted, 1 one rejected, 3 one undecided or not judged.")
    excluded: list[str] = Field(default=[], description="Files that were left out, as was asked.")
    results: list[ResultModel]


_SCALAR = (str, int, float, type(None))


def write_json(report: CheckReport) -> str:
    """Write the report as `harness.report/v1`."""
    model = ReportModel(
        schema="harness.report/v1",
        harness_version=__version__,
        profile=sanitize.one_line(report.profile),
        seed=report.seed,
        exit_code=cast("Literal[0, 1, 3]", report.exit_code),
        excluded=[sanitize.path(path) for path in report.excluded],
        results=[_result(r) for r in report.results],
    )
    return sanitize.part_in_json(pretty(model.model_dump(mode="json", by_alias=True))) + "\n"


#: What of a result is not compared: by whom it was asked for, where it was made, and how long that took.
NOT_COMPARED = {"path", "machine", "timings"}


def compared(report: CheckReport, result: CheckResult) -> bytes:
    """What two checks of the same candidate have to agree on to the byte, whoever made them and wherever."""
    return _compared(sanitize.one_line(report.profile), report.seed, _result(result))


def _compared(profile: str, seed: int, result: ResultModel) -> bytes:
    one = result.model_dump(mode="json", by_alias=True, exclude=NOT_COMPARED)
    whole = {"schema": SCHEMA_NAME, "profile": profile, "seed": seed, "result": one}
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def compared_digest(report: CheckReport, result: CheckResult) -> str:
    """SHA-256 (hex) of that, by which signed records name a report."""
    return hashlib.sha256(compared(report, result)).hexdigest()


def compared_digests(data: bytes) -> list[str]:
    """The same of all results in a report as it was written. Raises ValueError for what is no report."""
    return [digest for digest, _ in compared_results(data)]


def compared_results(data: bytes) -> list[tuple[str, dict[str, Json]]]:
    """All results in a report as it was written, each by that digest, but for files that could not be read.

    What no result answers for has to follow from them, and nothing may stand there twice, as readers differ in which of
    the two they take. Raises ValueError for what is no such report.
    """
    try:
        json.loads(data, object_pairs_hook=_each_once)
        told = read_json(data)
        model = ReportModel.model_validate_json(data)
        if told.exit_code != model.exit_code:
            raise ValueError("its exit code is not what its results come to")
    except (InfrastructureError, RecursionError) as error:
        raise ValueError(str(error)) from error
    # Not from what `read_json` gives: texts that were cut on their way out would be cut again.
    wanted = [one for one in model.results if one.sha256 or one.verdict != "undecided"]
    return [
        (hashlib.sha256(_compared(model.profile, model.seed, one)).hexdigest(), one.model_dump(mode="json"))
        for one in wanted
    ]


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name stands there twice")
    return dict(pairs)


def read_json(data: bytes) -> CheckReport:
    """Read a report back. Numbers that are not finite are words there. Raises InfrastructureError for what is none."""
    try:
        model = ReportModel.model_validate_json(data)
        results = tuple(_read(one) for one in model.results)
    except ValueError as error:  # pydantic's own errors are such
        told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        remedy = "read it with the version that wrote it"
        raise InfrastructureError(f"this is no report of this version: {told}", remedy=remedy) from error
    screened_ok = model.exit_code == 0 and any(isinstance(r.verdict, Screened) for r in results)
    return CheckReport(model.profile, model.seed, results, tuple(model.excluded), screened_ok=screened_ok)


def pretty(value: Json, indent: int = 0) -> str:
    """Serialize strict JSON with lists of plain values on one line: a curve stays readable."""
    pad, end = "\n" + "  " * (indent + 1), "\n" + "  " * indent
    if isinstance(value, dict) and value:
        items = (f"{json.dumps(k)}: {pretty(v, indent + 1)}" for k, v in value.items())
        return "{" + pad + f",{pad}".join(items) + end + "}"
    if isinstance(value, list) and not all(isinstance(v, _SCALAR) for v in value):
        return "[" + pad + f",{pad}".join(pretty(v, indent + 1) for v in value) + end + "]"
    return json.dumps(value, allow_nan=False)


def report_schema() -> dict[str, Json]:
    """Generate the JSON Schema of the report from the models."""
    schema: dict[str, Json] = ReportModel.model_json_schema(by_alias=True, mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:harness:report:v1",
        **schema,
        "title": SCHEMA_NAME,
    }


def shipped_schema() -> str:
    """Read the JSON Schema that ships with the package."""
    return (resources.files("harness.report") / "schema" / "report-v1.json").read_text(encoding="utf-8")


def _result(result: CheckResult) -> ResultModel:
    verdict = result.verdict
    return ResultModel.model_validate(
        {
            "path": sanitize.path(result.path),
            "sha256": sanitize.one_line(result.sha256),
            "name": sanitize.name(result.name),
            "verdict": verdict.word,
            "reason": sanitize.clean(verdict.reason) if isinstance(verdict, Undecided) else None,
            "remedy": sanitize.clean(verdict.remedy) if isinstance(verdict, Undecided) else None,
            "findings": [_finding(f) for f in verdict.findings],
            "facts": strict(result.loss_facts.as_json()),
            "properties": dict(sorted(result.properties.items())),
            "not_run": {rule: sanitize.clean(why) for rule, why in sorted(result.not_run.items())},
            "environment": strict(dict(sorted(result.environment.items()))),
            "machine": strict(dict(sorted(result.machine.items()))),
            "timings": {k: v for k, v in sorted(result.timings.items()) if math.isfinite(v)},
            "output": sanitize.clean(result.output),
        }
    )


def _finding(finding: Finding) -> FindingModel:
    place = finding.location
    return FindingModel(
        rule=finding.rule,
        name=finding.name,
        severity=finding.severity.value,
        message=sanitize.clean(finding.message),
        fix=sanitize.clean(finding.fix),
        counterexample=None
        if finding.counterexample is None
        else cast("dict[str, Json]", strict(dict(finding.counterexample))),
        location=None if place is None else LocationModel(line=max(0, place.line), column=max(0, place.column)),
        detail=sanitize.clean(finding.detail),
    )


def _read(model: ResultModel) -> CheckResult:
    findings = tuple(map(_found, model.findings))
    kinds: dict[str, type[Accepted | Rejected | Screened]] = {
        "accepted": Accepted,
        "rejected": Rejected,
        "screened": Screened,
    }
    kind = kinds.get(model.verdict)
    verdict: Verdict = kind(findings) if kind else Undecided(model.reason or "", model.remedy or "", findings)
    alike = {name: value for name, value in model if name not in {"verdict", "reason", "remedy", "findings"}}
    return CheckResult(**alike, verdict=verdict)


def _found(one: FindingModel) -> Finding:
    location = None if one.location is None else Location(one.location.line, one.location.column)
    return Finding(**{**dict(one), "severity": Severity(one.severity), "location": location})
