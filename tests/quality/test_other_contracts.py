"""The contracts besides preference, in real sandboxes: known losses pass, and broken ones are told what is wrong.

Short checks of two of the broken ones of each, and of the first of each rule in `make test-rest`; `make test-all` has
whole ones of all.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cached_property
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
#: So many broken ones of each contract before `make test-rest`.
SOON = 2


@dataclass(frozen=True)
class Kind:
    """One contract, and where its losses lie."""

    contract: str

    @property
    def profile(self) -> str:
        return DEFAULTS[self.contract]

    @property
    def broken(self) -> Path:
        return HERE / self.contract

    @property
    def catalogue(self) -> Path:
        return ROOT / "harness" / "losses" / self.contract

    @property
    def examples(self) -> Path:
        return ROOT / "examples" / self.contract

    @cached_property
    def expected(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = tomllib.loads((self.broken / "expected.toml").read_text("utf-8"))
        return found

    def checked(self, *places: Path) -> dict[Path, CheckResult]:
        return {Path(r.path): r for r in decided(places, Options(profile=self.profile, jobs=2))}


KINDS = {contract: Kind(contract) for contract in DEFAULTS if contract != "preference"}
#: The first loss of each rule, and all of them.
FIRST = [(k, n) for k in KINDS for n in {e["rule"]: n for n, e in reversed(KINDS[k].expected.items())}.values()]
ALL = [(contract, name) for contract in KINDS for name in KINDS[contract].expected]
_SOON = {each for contract in KINDS for each in [one for one in FIRST if one[0] == contract][:SOON]}


@pytest.fixture(scope="module")
def results(sandbox_image: object) -> dict[str, dict[Path, CheckResult]]:
    """The good ones of each contract in one check, two at a time."""
    del sandbox_image
    return {contract: kind.checked(kind.catalogue, kind.examples) for contract, kind in KINDS.items()}


@pytest.fixture(scope="module")
def all_broken(sandbox_image: object) -> dict[Path, CheckResult]:
    """The broken ones in one check with the good ones, so that these are also judged by heart."""
    del sandbox_image
    return {p: r for kind in KINDS.values() for p, r in kind.checked(kind.catalogue, kind.broken).items()}


@pytest.fixture(scope="module")
def short(request: pytest.FixtureRequest, sandbox_image: object) -> dict[Path, CheckResult]:
    """Those that are asked for, each asked little more than its rule."""
    del sandbox_image
    here = [
        item.callspec.params
        for item in request.session.items
        if "short" in getattr(item, "fixturenames", ()) and item.path == request.path and hasattr(item, "callspec")
    ]
    found: dict[Path, CheckResult] = {}
    for contract, kind in KINDS.items():
        names = sorted({params["name"] for params in here if params["contract"] == contract})
        rules = {name: find_rule(kind.expected[name]["rule"]) for name in names}
        wanted = {kind.broken / name: [rule.id] for name, rule in rules.items() if rule is not None}
        found |= checked(wanted, Options(profile=kind.profile))
    return found


@pytest.mark.rest
@pytest.mark.parametrize("contract", KINDS)
def test_known_losses_are_accepted(results: dict[str, dict[Path, CheckResult]], contract: str) -> None:
    kind = KINDS[contract]
    good = {p: r for p, r in results[contract].items() if p.stem != "negated"}
    assert len([p for p in good if p.parent == kind.catalogue]) >= 2
    assert {p.name: r.verdict for p, r in good.items() if not isinstance(r.verdict, Accepted)} == {}
    (without_gpu,) = dict(load(kind.profile).not_run)
    for result in good.values():
        assert {k: v for k, v in result.properties.items() if v != "passed"} == {without_gpu: "not-run"}
        assert set(result.properties) == set(load(kind.profile).properties)
    prints = [r.facts["fingerprint"] for p, r in good.items() if p.parent == kind.catalogue]
    assert len(set(prints)) == len(prints)
    negated = results[contract][kind.examples / "negated.py"]
    assert isinstance(negated.verdict, Rejected)


@pytest.mark.rest
@pytest.mark.parametrize(("contract", "known"), [("classification", "cross_entropy"), ("lists", "multiway_dpo")])
def test_the_same_function_in_other_words_has_the_same_fingerprint(
    results: dict[str, dict[Path, CheckResult]], contract: str, known: str
) -> None:
    kind = KINDS[contract]
    own = results[contract][kind.examples / "by_hand.py"].facts
    assert own["fingerprint"] == results[contract][kind.catalogue / f"{known}.py"].facts["fingerprint"]
    assert own["reduced"] is True


@pytest.mark.rest
def test_facts_of_cross_entropy(results: dict[str, dict[Path, CheckResult]]) -> None:
    facts = results["classification"][KINDS["classification"].catalogue / "cross_entropy.py"].facts
    assert facts["value_at_uniform"] == pytest.approx(2.302585093)
    assert facts["slope_at_uniform"] == pytest.approx(-0.9)
    assert (facts["statistic"], facts["smallest_batch"], facts["finite_up_to"]) == ("pointwise", 1, None)


@pytest.mark.rest
def test_facts_of_multiway_dpo(results: dict[str, dict[Path, CheckResult]]) -> None:
    """Four answers of scores 0 to 3 at beta 0.1: ten units of difference, each half of DPO's slope of beta."""
    facts = results["lists"][KINDS["lists"].catalogue / "multiway_dpo.py"].facts
    assert facts["value_at_start"] == pytest.approx(0.693147181)
    assert facts["slopes_at_start"] == pytest.approx([0.03, 0.01, -0.01, -0.03])
    assert (facts["statistic"], facts["smallest_batch"], facts["finite_up_to"]) == ("pointwise", 1, None)
    assert facts["reference_free"] is False


@pytest.mark.parametrize("contract", KINDS)
def test_every_file_is_expected_and_every_expectation_has_its_file(contract: str) -> None:
    kind = KINDS[contract]
    assert {p.name for p in kind.broken.iterdir() if p.suffix in {".py", ".json"}} == set(kind.expected)


@pytest.mark.parametrize("contract", KINDS)
def test_every_rule_has_a_loss_that_it_must_catch(contract: str) -> None:
    """All rules of the contract's newest profile, but the one that needs a GPU."""
    profile = load(DEFAULTS[contract])
    caught = {rule.id for each in KINDS[contract].expected.values() if (rule := find_rule(each["rule"])) is not None}
    assert set(profile.properties) - set(dict(profile.not_run)) <= caught


@pytest.mark.parametrize(
    ("contract", "name"), [pytest.param(*one, marks=[pytest.mark.rest] * (one not in _SOON)) for one in FIRST]
)
def test_one_of_each_rule_is_told_what_is_wrong(short: dict[Path, CheckResult], contract: str, name: str) -> None:
    kind = KINDS[contract]
    is_told(short[kind.broken / name], kind.expected[name])


@pytest.mark.whole
@pytest.mark.parametrize(("contract", "name"), ALL)
def test_it_is_told_what_is_wrong(all_broken: dict[Path, CheckResult], contract: str, name: str) -> None:
    kind = KINDS[contract]
    is_told(all_broken[kind.broken / name], kind.expected[name])


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
    (raised,) = all_broken[KINDS["classification"].broken / "ten_classes.py"].verdict.findings
    assert raised.location is not None
    assert raised.location.line == 7
    assert "logits of shape (" in raised.message
    (shape,) = all_broken[KINDS["classification"].broken / "flattened.py"].verdict.findings
    assert shape.counterexample is not None
    assert shape.counterexample["shape"] == [shape.counterexample["examples"] * shape.counterexample["classes"]]  # type: ignore[operator]
