"""The contract for classification, in real sandboxes: known losses pass, and broken ones are told what is wrong."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import decided

from harness.judge.options import Options
from harness.profiles import DEFAULTS, load
from harness.verdict import Accepted, Rejected, Severity

if TYPE_CHECKING:
    from harness.result import CheckResult

pytestmark = [pytest.mark.container, pytest.mark.long]

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BROKEN = HERE / "classification"
EXPECTED: dict[str, dict[str, Any]] = tomllib.loads((BROKEN / "expected.toml").read_text("utf-8"))
PROFILE = DEFAULTS["classification"]
CATALOGUE = ROOT / "harness" / "classification" / "losses"
EXAMPLES = ROOT / "examples" / "classification"


@pytest.fixture(scope="module")
def results(sandbox_image: object) -> dict[Path, CheckResult]:
    """All of them in one check, two at a time, so that the good ones are also judged by heart."""
    del sandbox_image
    results = decided([CATALOGUE, EXAMPLES, BROKEN], Options(profile=PROFILE, jobs=2))
    return {Path(r.path): r for r in results}


def test_known_losses_are_accepted(results: dict[Path, CheckResult]) -> None:
    good = {p: r for p, r in results.items() if p.parent == CATALOGUE or (p.parent == EXAMPLES and p.stem != "negated")}
    assert len(good) >= 7
    assert {p.name: r.verdict for p, r in good.items() if not isinstance(r.verdict, Accepted)} == {}
    for result in good.values():
        assert {k: v for k, v in result.properties.items() if v != "passed"} == {"P416": "not-run"}
        assert set(result.properties) == set(load(PROFILE).properties)
    prints = [r.facts["fingerprint"] for p, r in good.items() if p.parent == CATALOGUE]
    assert len(set(prints)) == len(prints)


def test_the_same_function_in_other_words_has_the_same_fingerprint(results: dict[Path, CheckResult]) -> None:
    own = results[EXAMPLES / "by_hand.py"].facts
    assert own["fingerprint"] == results[CATALOGUE / "cross_entropy.py"].facts["fingerprint"]
    assert own["reduced"] is True


def test_facts_of_cross_entropy(results: dict[Path, CheckResult]) -> None:
    facts = results[CATALOGUE / "cross_entropy.py"].facts
    assert facts["value_at_uniform"] == pytest.approx(2.302585093)
    assert facts["slope_at_uniform"] == pytest.approx(-0.9)
    assert (facts["statistic"], facts["smallest_batch"], facts["finite_up_to"]) == ("pointwise", 1, None)


def test_every_file_is_expected_and_every_expectation_has_its_file(results: dict[Path, CheckResult]) -> None:
    assert {p.name for p in results if p.parent == BROKEN} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_it_is_told_what_is_wrong(results: dict[Path, CheckResult], name: str) -> None:
    verdict, expected = results[BROKEN / name].verdict, EXPECTED[name]
    warned = expected.get("severity") == "warning"
    assert isinstance(verdict, Accepted if warned else Rejected), verdict
    errors = {f.name for f in verdict.findings if f.severity is Severity.ERROR}
    assert expected["rule"] in ({f.name for f in verdict.findings} if warned else errors)
    beside = errors - {expected["rule"]} - set(expected.get("also", ()))
    assert not beside, {f.name: f.message for f in verdict.findings if f.name in beside}


def test_a_finding_speaks_of_the_candidates_own_lines_and_shapes(results: dict[Path, CheckResult]) -> None:
    (raised,) = results[BROKEN / "ten_classes.py"].verdict.findings
    assert raised.location is not None
    assert raised.location.line == 7
    assert "logits of shape (" in raised.message
    (shape,) = results[BROKEN / "flattened.py"].verdict.findings
    assert shape.counterexample is not None
    assert shape.counterexample["shape"] == [shape.counterexample["examples"] * shape.counterexample["classes"]]  # type: ignore[operator]
