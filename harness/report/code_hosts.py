"""What code hosts and their CI want to know of a report: rules by id, paths, fingerprints.

Paths are relative to the repository, and fingerprints are without line numbers. The property suite is imported only
when a report names a property: a static check stays quick.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from harness.core import text as sanitize
from harness.protocol.rules import WIRE_RULES
from harness.screen.rules import SCREEN_RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.core.result import CheckReport, CheckResult
    from harness.core.rules import Rule
    from harness.core.verdict import Finding


def rule_ids(result: CheckResult) -> list[str]:
    """Give the ids of the rules that ran or were broken, in order of id."""
    return sorted({*result.properties, *(f.rule for f in result.verdict.findings)})


def known_rules(report: CheckReport) -> dict[str, Rule]:
    """Give the declarations of the rules that a report names, by id; unknown ids are left out."""
    named = {rule for result in report.results for rule in rule_ids(result)}
    rules = [*SCREEN_RULES, *WIRE_RULES]
    if any(rule.startswith("P") for rule in named):
        from harness.property_tests import property_rules  # noqa: PLC0415 - brings Hypothesis along

        rules += property_rules()
    return {rule.id: rule for rule in rules if rule.id in named}


#: No system has longer paths, in bytes.
_LONGEST = 4096


@dataclass(frozen=True)
class Located:
    """A finding, the result it belongs to, and a fingerprint in hex."""

    result: CheckResult
    finding: Finding
    fingerprint: str


def repository_root() -> Path:
    """Find the nearest folder upwards that holds `.git`, else the working directory."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)


def relative(path: str, root: Path | None) -> str | None:
    """Give the path relative to the root, with forward slashes; None where it lies outside."""
    base = os.path.abspath(root or repository_root())  # noqa: PTH100 - without following links
    out = os.path.relpath(os.path.abspath(path.replace("\0", "")), base)  # noqa: PTH100
    return None if out == ".." or out.startswith("../") else out


def shown(path: str, root: Path | None) -> str:
    """Give the path relative to the root where it lies inside, harmless to show."""
    inside = relative(path, root)
    return sanitize.path(path if inside is None else inside)


def uri(path: str, root: Path | None) -> tuple[str, bool]:
    """Make a URI reference for a path, and whether it is relative to the root."""
    inside = relative(path, root)
    if inside is not None:
        return _quoted(inside), True
    outside = os.path.abspath(path.replace("\0", ""))  # noqa: PTH100
    return f"file://{_quoted(outside)}", False


def _quoted(path: str) -> str:
    return quote(os.fsencode(_encodable(path))[:_LONGEST])


def _encodable(path: str) -> str:
    """Replace surrogates that do not stand for the bytes of a real file name."""
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return path.encode("utf-8", "replace").decode("utf-8")
    return path


def numbered(report: CheckReport, root: Path | None) -> Iterator[Located]:
    """Every finding with its fingerprint: of the rule, the path, and which of its kind it is in the file.

    The fingerprint stays the same while lines move, and no two findings of a report share one.
    """
    seen: Counter[tuple[str, str]] = Counter()
    for result in report.results:
        where = uri(result.path, root)[0]
        for finding in result.verdict.findings:
            key = (finding.rule, where)
            seen[key] += 1
            yield Located(result, finding, fingerprint(*key, str(seen[key])))


def fingerprint(*parts: str) -> str:
    """A digest of what tells a finding from all others."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()
