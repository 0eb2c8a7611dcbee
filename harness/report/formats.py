"""The closed set of report formats, and the one function that writes them."""

from __future__ import annotations

import difflib
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import UserError
from harness.core.files import check_destination

if TYPE_CHECKING:
    from harness.core.result import CheckReport


class Format(StrEnum):
    """A report format, by the name that `--report` takes."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"
    GITHUB = "github"
    GITLAB = "gitlab"
    HTML = "html"
    MARKDOWN = "markdown"


#: The module of each format's writer, `write_` and the format's name.
_MODULES = {
    Format.TEXT: "text",
    Format.JSON: "json_report",
    Format.SARIF: "sarif",
    Format.JUNIT: "junit",
    Format.GITHUB: "github",
    Format.GITLAB: "gitlab",
    Format.HTML: "html",
    Format.MARKDOWN: "markdown",
}
#: Those that code hosts read: paths are relative there.
_FOR_CODE_HOSTS = (Format.SARIF, Format.GITHUB, Format.GITLAB)


def write(report: CheckReport, format: Format, *, root: Path | None = None) -> str:  # noqa: A002
    """Write the report in one format, ending in a newline.

    `root` is the folder that paths are told relative to in the formats that code hosts read (default:
    the repository around the working directory).
    """
    # Writers are imported when they are asked for: a check that prints text pays for no other format.
    writer = getattr(import_module(f"harness.report.{_MODULES[format]}"), f"write_{format}")
    written: str = writer(report, root) if format in _FOR_CODE_HOSTS else writer(report)
    return written


def parse_report_option(option: str) -> tuple[Format, Path]:
    """Read `FMT=FILE`, as in `json=a.json`; the file `-` is standard output. Raises UserError."""
    name, equals, target = option.partition("=")
    known = [f.value for f in Format]
    if name not in known:
        near = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise UserError(f"{name!r:.60} is not a report format", remedy=f"{hint}The formats are {', '.join(known)}.")
    if not equals or not target or "\0" in target:
        raise UserError(
            f"--report {option!r:.80} names no file",
            remedy=f"Write --report {name}=FILE, or --report {name}=- for standard output.",
        )
    path = Path(target)
    check_destination(path)
    return Format(name), path
