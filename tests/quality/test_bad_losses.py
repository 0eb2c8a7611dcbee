"""Every loss of `losses/` is rejected, and by the rule that names its fault.

The first one of each rule by a short check; all of them by whole ones in `make test-all`.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from short import checked
from support import decided

from harness.checks.catalogue import find_rule
from harness.checks.options import Options
from harness.core.verdict import Accepted, Rejected, Severity

if TYPE_CHECKING:
    from harness.core.result import CheckResult

pytestmark = pytest.mark.container

HERE = Path(__file__).parent
EXPECTED: dict[str, dict[str, Any]] = tomllib.loads((HERE / "expected.toml").read_text("utf-8"))


#: The first loss of each rule.
FIRST = {expected["rule"]: name for name, expected in reversed(EXPECTED.items())}


@pytest.fixture(scope="module")
def short(sandbox_image: object) -> dict[str, CheckResult]:
    """The first ones of each rule, asked little more than that rule."""
    del sandbox_image
    rules = {name: find_rule(rule) for rule, name in FIRST.items()}
    results = checked({HERE / "losses" / name: [rule.id] for name, rule in rules.items() if rule is not None})
    return {path.name: result for path, result in results.items()}


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest, sandbox_image: object) -> dict[str, CheckResult]:
    """All that are asked for, checked once, two at a time."""
    del sandbox_image
    here = [item for item in request.session.items if item.path == request.path]
    names = sorted({item.callspec.params["name"] for item in here if hasattr(item, "callspec")} or EXPECTED)
    results = decided([HERE / "losses" / name for name in names], Options(jobs=2))
    return {Path(r.path).name: r for r in results}


def test_every_file_is_expected_and_every_expectation_has_its_file() -> None:
    assert {path.name for path in (HERE / "losses").iterdir() if path.suffix in {".py", ".json"}} == set(EXPECTED)
    assert len(EXPECTED) >= 40


@pytest.mark.parametrize("name", FIRST.values())
def test_one_of_each_rule_is_told_what_is_wrong(short: dict[str, CheckResult], name: str) -> None:
    is_told(short[name], EXPECTED[name])


@pytest.mark.whole
@pytest.mark.parametrize("name", EXPECTED)
def test_it_is_told_what_is_wrong(results: dict[str, CheckResult], name: str) -> None:
    is_told(results[name], EXPECTED[name])


def is_told(result: CheckResult, expected: dict[str, Any]) -> None:
    """The rule that is expected names it, and none beside it but those that may."""
    verdict = result.verdict
    warned = expected.get("severity") == "warning"
    assert isinstance(verdict, Accepted if warned else Rejected), verdict
    errors = {f.name for f in verdict.findings if f.severity is Severity.ERROR}
    all_names = {f.name for f in verdict.findings}
    assert expected["rule"] in (all_names if warned else errors)
    beside = errors - {expected["rule"]} - set(expected.get("also", ()))
    assert not beside, {f.name: f.message for f in verdict.findings if f.name in beside}


@pytest.mark.whole
@pytest.mark.parametrize("name", EXPECTED)
def test_its_finding_can_be_acted_on(results: dict[str, CheckResult], name: str) -> None:
    for finding in results[name].verdict.findings:
        assert finding.message
        assert finding.fix
        rule = find_rule(finding.rule)
        assert rule is not None
        assert rule.name == finding.name


@pytest.mark.whole
def test_findings_of_properties_carry_numbers_to_paste(results: dict[str, CheckResult]) -> None:
    found = [f for r in results.values() for f in r.verdict.findings if f.rule.startswith("P")]
    assert len(found) >= 40
    assert [f for f in found if not f.counterexample] == []


@pytest.mark.whole
def test_how_many_findings_name_a_loss(results: dict[str, CheckResult]) -> None:
    """A person reads the first findings: the rule that names the fault is among the first three."""
    places = Counter[int]()
    for name, result in results.items():
        names, rule = [f.name for f in result.verdict.findings], EXPECTED[name]["rule"]
        places[names.index(rule) if rule in names else len(EXPECTED)] += 1
    assert sum(n for place, n in places.items() if place < 3) >= 0.85 * len(results), places
