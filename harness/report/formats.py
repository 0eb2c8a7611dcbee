"""The closed set of report formats, and the one function that writes them."""

from __future__ import annotations

import difflib
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

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


# Writers are imported when they are asked for: a check that prints text pays for no other format.
def write(report: CheckReport, format: Format, *, root: Path | None = None) -> str:  # noqa: A002, PLR0911
    """Write the report in one format, ending in a newline.

    `root` is the folder that paths are told relative to in the formats that code hosts read (default:
    the repository around the working directory).
    """
    match format:
        case Format.TEXT:
            from harness.report.text import write_text  # noqa: PLC0415

            return write_text(report)
        case Format.JSON:
            from harness.report.json_report import write_json  # noqa: PLC0415

            return write_json(report)
        case Format.SARIF:
            from harness.report.sarif import write_sarif  # noqa: PLC0415

            return write_sarif(report, root)
        case Format.JUNIT:
            from harness.report.junit import write_junit  # noqa: PLC0415

            return write_junit(report)
        case Format.GITHUB:
            from harness.report.github import write_github  # noqa: PLC0415

            return write_github(report, root)
        case Format.GITLAB:
            from harness.report.gitlab import write_gitlab  # noqa: PLC0415

            return write_gitlab(report, root)
        case Format.HTML:
            from harness.report.html import write_html  # noqa: PLC0415

            return write_html(report)
        case Format.MARKDOWN:
            from harness.report.markdown import write_markdown  # noqa: PLC0415

            return write_markdown(report)
        case _:
            assert_never(format)


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
