"""The contract for classification, in real sandboxes: known losses pass, and broken ones are told what is wrong.

Short checks of two of the broken ones, and of the first of each rule in `make test-rest`; `make test-all` has whole
ones of all.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from short import checked
from support import decided

from harness.checks.catalogue import find_rule
from harness.checks.options import Options
from harness.core.profiles import DEFAULTS, load
from harness.core.verdict import Accepted, Rejected, Severity

if TYPE_CHECKING:
    from harness.core.result import CheckResult

pytestmark = pytest.mark.container

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BROKEN = HERE / "classification"
EXPECTED: dict[str, dict[str, Any]] = tomllib.loads((BROKEN / "expected.toml").read_text("utf-8"))
PROFILE = DEFAULTS["classification"]
CATALOGUE = ROOT / "harness" / "losses" / "classification"
EXAMPLES = ROOT / "examples" / "classification"


#: The first loss of each rule.
FIRST = {expected["rule"]: name for name, expected in reversed(EXPECTED.items())}
#: So many of them before `make test-rest`.
SOON = 2


@pytest.fixture(scope="module")
def results(sandbox_image: object) -> dict[Path, CheckResult]:
    """The good ones in one check, two at a time."""
    del sandbox_image
    return checked_whole(CATALOGUE, EXAMPLES)


@pytest.fixture(scope="module")
def all_broken(sandbox_image: object) -> dict[Path, CheckResult]:
    """The broken ones in one check with the good ones, so that these are also judged by heart."""
    del sandbox_image
    return checked_whole(CATALOGUE, BROKEN)


def checked_whole(*places: Path) -> dict[Path, CheckResult]:
    return {Path(r.path): r for r in decided(places, Options(profile=PROFILE, jobs=2))}


@pytest.fixture(scope="module")
def short(request: pytest.FixtureRequest, sandbox_image: object) -> dict[Path, CheckResult]:
    """Those that are asked for, each asked little more than its rule."""
    del sandbox_image
    here = [
        item
        for item in request.session.items
        if "short" in getattr(item, "fixturenames", ()) and item.path == request.path
    ]
    names = {item.callspec.params["name"] for item in here if hasattr(item, "callspec")}
    rules = {name: find_rule(EXPECTED[name]["rule"]) for name in sorted(names)}
    wanted = {BROKEN / name: [rule.id] for name, rule in rules.items() if rule is not None}
    return checked(wanted, Options(profile=PROFILE))


@pytest.mark.rest
def test_known_losses_are_accepted(results: dict[Path, CheckResult]) -> None:
    good = {p: r for p, r in results.items() if p.parent == CATALOGUE or (p.parent == EXAMPLES and p.stem != "negated")}
    assert len(good) >= 7
    assert {p.name: r.verdict for p, r in good.items() if not isinstance(r.verdict, Accepted)} == {}
    for result in good.values():
        assert {k: v for k, v in result.properties.items() if v != "passed"} == {"P416": "not-run"}
        assert set(result.properties) == set(load(PROFILE).properties)
    prints = [r.facts["fingerprint"] for p, r in good.items() if p.parent == CATALOGUE]
    assert len(set(prints)) == len(prints)


@pytest.mark.rest
def test_the_same_function_in_other_words_has_the_same_fingerprint(results: dict[Path, CheckResult]) -> None:
    own = results[EXAMPLES / "by_hand.py"].facts
    assert own["fingerprint"] == results[CATALOGUE / "cross_entropy.py"].facts["fingerprint"]
    assert own["reduced"] is True


@pytest.mark.rest
def test_facts_of_cross_entropy(results: dict[Path, CheckResult]) -> None:
    facts = results[CATALOGUE / "cross_entropy.py"].facts
    assert facts["value_at_uniform"] == pytest.approx(2.302585093)
    assert facts["slope_at_uniform"] == pytest.approx(-0.9)
    assert (facts["statistic"], facts["smallest_batch"], facts["finite_up_to"]) == ("pointwise", 1, None)


def test_every_file_is_expected_and_every_expectation_has_its_file() -> None:
    assert {p.name for p in BROKEN.iterdir() if p.suffix in {".py", ".json"}} == set(EXPECTED)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.rest] * (at >= SOON)) for at, n in enumerate(FIRST.values())]
)
def test_one_of_each_rule_is_told_what_is_wrong(short: dict[Path, CheckResult], name: str) -> None:
    is_told(short[BROKEN / name], EXPECTED[name])


@pytest.mark.whole
@pytest.mark.parametrize("name", EXPECTED)
def test_it_is_told_what_is_wrong(all_broken: dict[Path, CheckResult], name: str) -> None:
    is_told(all_broken[BROKEN / name], EXPECTED[name])


def is_told(result: CheckResult, expected: dict[str, Any]) -> None:
    """The rule that is expected names it, and none beside it but those that may."""
    verdict = result.verdict
    warned = expected.get("severity") == "warning"
    assert isinstance(verdict, Accepted if warned else Rejected), verdict
    errors = {f.name for f in verdict.findings if f.severity is Severity.ERROR}
    assert expected["rule"] in ({f.name for f in verdict.findings} if warned else errors)
    beside = errors - {expected["rule"]} - set(expected.get("also", ()))
    assert not beside, {f.name: f.message for f in verdict.findings if f.name in beside}


@pytest.mark.whole
def test_a_finding_speaks_of_the_candidates_own_lines_and_shapes(all_broken: dict[Path, CheckResult]) -> None:
    (raised,) = all_broken[BROKEN / "ten_classes.py"].verdict.findings
    assert raised.location is not None
    assert raised.location.line == 7
    assert "logits of shape (" in raised.message
    (shape,) = all_broken[BROKEN / "flattened.py"].verdict.findings
    assert shape.counterexample is not None
    assert shape.counterexample["shape"] == [shape.counterexample["examples"] * shape.counterexample["classes"]]  # type: ignore[operator]
