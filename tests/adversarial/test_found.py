"""Losses that were once accepted wrongly, or that ended a whole run: each is now told what is wrong with it."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import decided

from harness.judge.options import Options
from harness.verdict import Rejected

if TYPE_CHECKING:
    from harness.result import CheckResult

pytestmark = [pytest.mark.container, pytest.mark.long]

FOLDER = Path(__file__).parent / "found"
NAMES = sorted(path.name for path in FOLDER.glob("*.py"))


@pytest.fixture(scope="module")
def results(sandbox_image: object) -> dict[str, CheckResult]:
    """All of them in one run, so that one that spreads its fault would be seen to."""
    del sandbox_image
    results = decided([FOLDER], Options(jobs=2))
    return {Path(r.path).name: r for r in results}


@pytest.mark.parametrize("name", NAMES)
def test_it_is_rejected_by_the_rule_that_its_docstring_names(results: dict[str, CheckResult], name: str) -> None:
    text = ast.get_docstring(ast.parse((FOLDER / name).read_text("utf-8"))) or ""
    expected = set(re.findall(r"\b[SWP][1-9][0-9]{2}\b", text))
    assert expected, f"{name} does not say which rule it breaks"
    verdict = results[name].verdict
    assert isinstance(verdict, Rejected), verdict
    assert expected & {f.rule for f in verdict.findings}, verdict.findings
