"""The form of the JSON report, version 1. Adding a field is a change of this version; changing one is not.

The JSON Schema that ships in `schema/report-v1.json` is generated from these models, and a test holds the
two together.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

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
    environment: dict[str, JsonValue]
    timings: dict[str, float] = Field(description="Seconds; the only part that differs between two runs.")
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
