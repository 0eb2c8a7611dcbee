"""The examination, for people and for programs. What an engine says is shown as text and never as markup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field
from rich.table import Table
from rich.text import Text

from harness.core import text as sanitize
from harness.core.version import __version__
from harness.doctor.model import Result
from harness.report.json_report import pretty
from harness.report.text import emit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, RenderableType

    from harness.core.verdict import Json
    from harness.doctor.model import Check, Examination, Outcome

_MARKS = {
    Result.OK: ("ok", "green"),
    Result.WARNING: ("warning", "yellow"),
    Result.FAILED: ("FAILED", "bold red"),
    Result.NOT_APPLICABLE: ("-", "dim"),
}
_SECTIONS = {
    "D1": ("The engine", "By what it says of itself."),
    "D2": ("The image", "By its digest and configuration; nothing is run."),
    "D3": ("The container", "What `harness check` asks of every sandbox before it sends a candidate into it."),
    "D4": ("The probes", "Attempts from inside, by candidates of the harness's own, each in a sandbox as any has it."),
}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class CheckModel(_Model):
    """One check."""

    id: str = Field(pattern=r"^D[1-9][0-9]{2}$", description="The immutable id of the check.")
    name: str = Field(description="The check's name in kebab-case.")
    result: Literal["ok", "warning", "failed", "not-applicable"] = Field(
        description="A warning can be waived, and --strict does not."
    )
    asks: str = Field(description="What has to hold.")
    seen: str = Field(description="What was seen; it may quote the engine.")
    remedy: str | None = Field(description="What a person can do about it; null where nothing has to be done.")


class DoctorModel(_Model):
    """The examination of one host, version 1."""

    schema_: Literal["harness.doctor/v1"] = Field(alias="schema")
    harness_version: str
    exit_code: Literal[0, 3] = Field(description="0 candidates may be run here, 3 they may not.")
    strict: bool
    about: dict[str, str] = Field(description="What was examined: engine, runtime, kernel, image.")
    checks: list[CheckModel]
    seconds: float = Field(ge=0)


def write_json(examination: Examination) -> str:
    """Write the examination as `harness.doctor/v1`."""
    model = DoctorModel.model_validate(
        {
            "schema": "harness.doctor/v1",
            "harness_version": __version__,
            "exit_code": examination.exit_code,
            "strict": examination.strict,
            "about": {key: sanitize.one_line(value) for key, value in examination.about.items()},
            "checks": [_check(outcome) for outcome in examination.outcomes],
            "seconds": round(examination.seconds, 3),
        }
    )
    return pretty(model.model_dump(mode="json", by_alias=True)) + "\n"


def schema() -> dict[str, Json]:
    """Generate the JSON Schema of `harness doctor --json`."""
    generated: dict[str, Json] = DoctorModel.model_json_schema(by_alias=True, mode="serialization")
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": draft, "$id": "urn:harness:doctor:v1", **generated, "title": "harness.doctor/v1"}


def _check(outcome: Outcome) -> CheckModel:
    return CheckModel(
        id=outcome.check.id,
        name=outcome.check.name,
        result=outcome.result.value,
        asks=outcome.check.asks,
        seen=sanitize.clean(outcome.seen),
        remedy=sanitize.clean(outcome.remedy) or None,
    )


def print_text(examination: Examination, console: Console) -> None:
    """Print a table, then what to do about what does not hold, then what it comes to."""
    about = [f"{key} {sanitize.one_line(value)}" for key, value in examination.about.items()]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("check", "result"):
        table.add_column(heading, no_wrap=True)
    table.add_column("what was seen", overflow="fold")
    for outcome in examination.outcomes:
        word, style = _MARKS[outcome.result]
        name = f"{outcome.check.id} {outcome.check.name}"
        table.add_row(Text(name), Text(word, style=style), Text(sanitize.one_line(outcome.seen)))
    remedies = [
        Text(f"{outcome.check.id}: {sanitize.one_line(outcome.remedy)}")
        for outcome in examination.outcomes
        if outcome.remedy
    ]
    parts: list[RenderableType] = [Text("\n".join(about)), Text(), table, Text()]
    if remedies:
        parts += [Text("What to do:"), *remedies, Text()]
    emit(console, *parts, Text(_sentence(examination)))


def _sentence(examination: Examination) -> str:
    ok, warnings, failed = (examination.count(r) for r in (Result.OK, Result.WARNING, Result.FAILED))
    counts = f"{ok} ok, {warnings} warnings, {failed} failed, in {examination.seconds:.1f} s"
    if failed:
        return f"This host does not isolate: run no candidates on it ({counts})."
    if not examination.trusted:
        return f"This host isolates, with weaknesses that --strict does not waive ({counts})."
    return f"This host isolates ({counts})."


def write_markdown(checks: Iterable[Check]) -> str:
    """Write the documentation page of the checks."""
    listed = list(checks)
    lines = [
        "# harness doctor",
        "",
        (
            "This page is made by `harness doctor --markdown` from the declarations in the code. "
            "`harness doctor` examines this host and its engine before either is trusted with a candidate: it "
            "reads what the engine says, then starts sandboxes as `harness check` does and attacks from inside."
        ),
        "",
        (
            "A check ends in *ok*, in a *warning* (a layer is weaker than it could be; it can be waived), in "
            "*failed*, or is not applicable here. The exit code is 0, or 3 where one failed; `--strict` takes "
            "warnings for failures. An id never changes and is never used again. `harness check` does the checks "
            "D301 to D303 itself, for every sandbox and before any candidate, and exits 3 where one fails."
        ),
        "",
        (
            "Under gVisor (`--runtime runsc`) system calls are answered by gVisor's own kernel. What gets through "
            "to that one is shown as not applicable: it got no nearer to the host."
        ),
    ]
    for prefix, (title, words) in _SECTIONS.items():
        lines += ["", f"## {title}", "", words, "", "| check | what has to hold | remedy |", "|---|---|---|"]
        lines += [
            f"| {check.id} {check.name} | {_cell(check.asks)} | {_cell(check.remedy)} |"
            for check in listed
            if check.id.startswith(prefix)
        ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
