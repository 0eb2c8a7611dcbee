"""Facts of a loss are read by name from whatever JSON there is, each for itself, and written as they came."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from harness.core.facts import Binding, LossFacts, Onset, Point, Range, Side, Witness
from harness.core.result import CheckReport, CheckResult
from harness.core.verdict import Accepted
from harness.discover import archive
from harness.report.json_report import read_json, write_json
from harness.report.wording import fact_rows, stability_story

if TYPE_CHECKING:
    from harness.core.verdict import Json

CURVE: Json = {"beta": 0.05, "rho": [-1.0, 1.0], "value": [1.0, "NaN"], "slope": [0.5, "Infinity"], "length": 64}
STABILITY: Json = {
    "beta": [0.1],
    "rho": [0.0, 1.0],
    "state": [[0, 2]],
    "onset": [{"beta": 0.1, "below": None, "above": 0.5, "kind": "NaN"}],
    "domain": {"beta": [0.05, 0.5], "abs_beta_rho": 20.0},
    "nats_per_token": 2.0,
    "least_tokens": 4,
}
DOCUMENT: dict[str, Json] = {
    "binding": {"how": "names", "parameters": {"pc": "policy_chosen"}},
    "fixed": {"label_smoothing": "0.1"},
    "crossed": [3],
    "parameters": {"tau": {"low": 0.1, "high": 1.0, "scale": "log", "middle": 0.3}},
    "contract": "preference",
    "statistic": "pointwise",
    "company": "none",
    "reduced": False,
    "smallest_batch": 2,
    "uses": ["beta", "chosen_lengths"],
    "beta_matters": True,
    "reference_free": False,
    "reference_enters": {"chosen": {"sign": "opposite", "size": 1.5, "same_share": 0.0}},
    "of_rho_alone": False,
    "unmoved_by": {"chosen": False, "policy": True},
    "value_at_zero": 0.7,
    "slope_at_zero": "-Infinity",
    "value_at_uniform": 2.3,
    "slope_at_uniform": -0.9,
    "finite_up_to": 200.0,
    "convex": True,
    "non_convex_where": [[0.0, 0.5, 1.0]],
    "finite_where": [],
    "minima": [{"rho": 0.0, "value": 1.0}],
    "maxima": None,
    "curve": CURVE,
    "stability": STABILITY,
    "missing": "they took too long",
    "witness": {"calls_of_one_life": 300, "never_asked_before": 8, "asked_again": 4, "of_another_version": 1},
    "fingerprint": "f" * 64,
    "function": "a",
    "of_another_version": [{"deep": ["", 1e300]}],
}
READ = {
    "binding": Binding("names", (("pc", "policy_chosen"),)),
    "fixed": (("label_smoothing", "0.1"),),
    "crossed": (3.0,),
    "parameters": (("tau", Range(0.1, 1.0, "log", 0.3)),),
    "uses_lengths": True,
    "reference_enters": (("chosen", Side("opposite", 1.5, 0.0)),),
    "slope_at_zero": -math.inf,
    "non_convex_where": ((0.0, 1.0),),
    "finite_where": (),
    "minima": (Point(0.0, 1.0),),
    "maxima": (),
    "witness": Witness(300, 8, 4),
    "tokens_of_the_map": (2.0, 4.0),
}
#: Plain facts, read as they stand.
PLAIN = (
    "contract statistic company reduced smallest_batch beta_matters reference_free of_rho_alone unmoved_by"
    " value_at_zero value_at_uniform slope_at_uniform finite_up_to convex missing fingerprint function"
)
OPTIONAL = "statistic company reduced smallest_batch beta_matters reference_free of_rho_alone value_at_zero convex"
REST = "fixed crossed parameters uses reference_enters minima unmoved_by contract function fingerprint non_convex_where"
EMPTY = "binding witness finite_where curve stability tokens_of_the_map missing slope_at_zero finite_up_to"


@pytest.mark.parametrize("name", [*READ, *PLAIN.split()])
def test_each_fact_is_read_by_its_name(name: str) -> None:
    assert getattr(LossFacts(DOCUMENT), name) == READ.get(name, DOCUMENT.get(name))


def test_the_curve_and_the_map_are_read() -> None:
    facts = LossFacts(DOCUMENT)
    assert facts.curve is not None
    assert facts.curve.rho == (-1.0, 1.0)
    assert math.isnan(facts.curve.value[1])
    assert facts.curve.held == ", completions of 64 tokens"
    assert facts.stability is not None
    assert facts.stability.onset == (Onset(0.1, None, 0.5, "NaN"),)
    assert (facts.stability.domain_beta, facts.stability.reach) == ((0.05, 0.5), 20.0)


@pytest.mark.parametrize("document", [{}, dict.fromkeys(DOCUMENT)])
def test_what_is_absent_or_null_is_none_or_empty(document: dict[str, Json]) -> None:
    facts = LossFacts(document)
    assert [getattr(facts, name) for name in (*OPTIONAL.split(), *EMPTY.split())] == [None] * 18
    rest = (
        "fixed",
        "crossed",
        "parameters",
        "uses",
        "reference_enters",
        "minima",
        "unmoved_by",
        "contract",
        "function",
    )
    assert not any(getattr(facts, name) for name in (*rest, "fingerprint", "non_convex_where"))
    assert (fact_rows(facts), stability_story(facts)) == ([], [])


@pytest.mark.parametrize(
    "name", ["value_at_zero", "slope_at_zero", "minima", "crossed", "stability", "curve", "witness"]
)
@pytest.mark.parametrize("wrong", ["nan", "0.7", [{"rho": "nan", "value": 1.0}]])
def test_one_in_a_wrong_form_costs_no_other_and_is_absent_to_the_lenient(name: str, wrong: Json) -> None:
    document = {**DOCUMENT, name: wrong}
    with pytest.raises(ValueError, match=r"not a number|no (list|object)"):
        getattr(LossFacts(document), name)
    assert LossFacts(document).convex is True
    if name != "curve":
        assert not getattr(LossFacts(document, lenient=True), name)
    assert archive.cell(document)


def test_a_document_is_written_as_it_came() -> None:
    written = LossFacts(DOCUMENT).as_json()
    assert list(written.items()) == sorted(DOCUMENT.items())
    assert written["curve"] is CURVE
    assert LossFacts(DOCUMENT).as_json("convex", "reduced", "nothing") == {"convex": True, "reduced": False}


def test_a_report_that_is_read_has_the_same_facts_and_gives_the_same_bytes() -> None:
    report = CheckReport("2026.1", 0, (CheckResult("x.py", "0" * 64, "x", Accepted(), DOCUMENT),))
    text = write_json(report)
    again = read_json(text.encode())
    assert again.results[0].loss_facts.as_json() == report.results[0].loss_facts.as_json()
    assert write_json(again) == text
