"""The JSON report: strict JSON in ASCII, with a fixed order of keys, and its JSON Schema; and the way back."""

from __future__ import annotations

import json
import math
from importlib import resources
from typing import TYPE_CHECKING, Literal, cast

from pydantic import ValidationError

from harness.core import text as sanitize
from harness.core.errors import InfrastructureError
from harness.core.result import CheckReport, CheckResult
from harness.core.verdict import Accepted, Finding, Location, Rejected, Screened, Severity, Undecided
from harness.core.version import __version__
from harness.report.models import (
    SCHEMA_NAME,
    FindingModel,
    LocationModel,
    ReportModel,
    ResultModel,
)
from harness.report.numbers import strict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.core.verdict import Json, Verdict

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
            "environment": _sorted(result.environment),
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


def _sorted(mapping: Mapping[str, Json]) -> Json:
    return strict(dict(sorted(mapping.items())))


def _read(model: ResultModel) -> CheckResult:
    findings = tuple(
        Finding(
            one.rule,
            one.name,
            Severity(one.severity),
            one.message,
            one.fix,
            one.counterexample,
            None if one.location is None else Location(one.location.line, one.location.column),
            one.detail,
        )
        for one in model.findings
    )
    verdict: Verdict = Undecided(model.reason or "", model.remedy or "", findings)
    if model.verdict == "rejected":
        verdict = Rejected(findings)
    elif model.verdict == "accepted":
        verdict = Accepted(findings)
    elif model.verdict == "screened":
        verdict = Screened(findings)
    return CheckResult(
        model.path,
        model.sha256,
        model.name,
        verdict,
        facts=model.facts,
        properties=dict(model.properties),
        not_run=model.not_run,
        environment=model.environment,
        timings=model.timings,
        output=model.output,
    )
