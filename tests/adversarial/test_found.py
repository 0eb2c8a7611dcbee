"""Losses that were once accepted wrongly, or that ended a whole run: each is now told what is wrong with it."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from short import checked
from support import decided

from harness.checks.options import Options
from harness.core.verdict import Rejected

if TYPE_CHECKING:
    from harness.core.result import CheckResult
    from harness.core.verdict import Verdict

pytestmark = pytest.mark.container

FOLDER = Path(__file__).parent / "found"
NAMES = sorted(path.name for path in FOLDER.glob("*.py"))


#: These turn round after more calls than a short check makes.
MANY_CALLS = {"changes_after_450_calls.py"}


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest, sandbox_image: object) -> dict[str, CheckResult]:
    """All that are asked for in one run, so that one that spreads its fault would be seen to."""
    del sandbox_image
    here = [
        item
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path and "results" in item.fixturenames
    ]
    results = decided([FOLDER / str(item.callspec.params["name"]) for item in here], Options(jobs=2))
    return {Path(r.path).name: r for r in results}


@pytest.fixture(scope="module")
def short(sandbox_image: object) -> dict[str, CheckResult]:
    """All of them, asked little more than the rules that their docstrings name."""
    del sandbox_image
    return {
        path.name: r
        for path, r in checked({FOLDER / name: named(name) for name in NAMES if name not in MANY_CALLS}).items()
    }


@pytest.mark.rest
@pytest.mark.parametrize("name", [name for name in NAMES if name not in MANY_CALLS])
def test_the_rule_that_its_docstring_names_rejects_it(short: dict[str, CheckResult], name: str) -> None:
    is_rejected(short[name].verdict, name)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.rest if name in MANY_CALLS else pytest.mark.whole) for name in NAMES]
)
def test_a_whole_check_rejects_it_by_that_rule(results: dict[str, CheckResult], name: str) -> None:
    is_rejected(results[name].verdict, name)


def is_rejected(verdict: Verdict, name: str) -> None:
    assert isinstance(verdict, Rejected), verdict
    assert named(name) & {f.rule for f in verdict.findings}, verdict.findings


def named(name: str) -> set[str]:
    """The rules that a file's docstring names."""
    text = ast.get_docstring(ast.parse((FOLDER / name).read_text("utf-8"))) or ""
    expected = set(re.findall(r"\b[SWP][1-9][0-9]{2}\b", text))
    assert expected, f"{name} does not say which rule it breaks"
    return expected
