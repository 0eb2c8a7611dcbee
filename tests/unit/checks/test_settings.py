"""The settings at which a candidate with open parameters is judged, and its fingerprint over them."""

from __future__ import annotations

import pytest

from harness.checks.catalogue import find_rule
from harness.checks.settings import declared, fingerprint_over, settings
from harness.core.facts import LossFacts
from harness.core.program import Parameter
from harness.report.wording import fact_rows

TAU, EPS = Parameter("tau", 0.01, 1.0, log=True), Parameter("eps", -1.0, 1.0)
MORE = (Parameter("k", 1.0, 2.0), Parameter("m", 5.0, 6.0))


@pytest.mark.parametrize(
    ("parameters", "count"), [((TAU,), 5), ((TAU, EPS), 9), ((TAU, EPS, MORE[0]), 10), ((TAU, EPS, *MORE), 12)]
)
def test_the_middle_all_ends_each_end_alone_and_some_inside(parameters: tuple[Parameter, ...], count: int) -> None:
    made = settings(parameters)
    values = [dict(setting.values) for setting in made]
    assert len(made) == count
    assert len({setting.values for setting in made}) == count, "none is asked for twice"
    middle = {p.name: p.middle for p in parameters}
    assert values[:3] == [middle, {p.name: p.low for p in parameters}, {p.name: p.high for p in parameters}]
    for p in parameters:
        assert {**middle, p.name: p.low} in values
        assert {**middle, p.name: p.high} in values
    assert all(p.low <= each[p.name] <= p.high for p in parameters for each in values)
    assert settings(parameters) == made


def test_a_finding_tells_of_its_setting() -> None:
    rule = find_rule("P302")
    assert rule is not None
    low = settings((TAU,))[1]
    told = low.tag(rule.finding("the value is NaN", counterexample={"beta": 0.1}))
    assert told.message == "with tau = 0.01 (the low end of its range): the value is NaN"
    assert told.counterexample == {"beta": 0.1, "params": {"tau": 0.01}}
    assert low.tag(rule.finding("x")).counterexample == {"params": {"tau": 0.01}}


def test_a_report_states_the_ranges() -> None:
    assert declared((TAU, EPS)) == {
        "tau": {"low": 0.01, "high": 1.0, "scale": "log", "middle": pytest.approx(0.1)},
        "eps": {"low": -1.0, "high": 1.0, "scale": "linear", "middle": 0.0},
    }


def test_the_fingerprint_tells_apart_what_can_be_tuned_in_other_ways() -> None:
    prints = ["a", "b", "c", "d", "e"]
    first = fingerprint_over(prints, (TAU,))
    others = {
        fingerprint_over(["a", "b", "c", "d", "f"], (TAU,)),
        fingerprint_over(prints, (Parameter("tau", 0.01, 2.0, log=True),)),
        fingerprint_over(prints, (Parameter("tau", 0.01, 1.0),)),
        fingerprint_over(prints, (Parameter("sigma", 0.01, 1.0, log=True),)),
        fingerprint_over(prints[:2], (TAU,)),
        fingerprint_over(["a"], (TAU,)),
        "a",
    }
    assert len(others | {first}) == 8
    assert first == fingerprint_over(list(prints), (TAU,))
    assert fingerprint_over(["a"] * 5, (TAU,)) == "a", "a parameter that changes nothing makes no other function"


def test_people_read_the_range_and_of_which_value_the_facts_are() -> None:
    rows = dict(fact_rows(LossFacts({"parameters": declared((TAU, EPS))})))
    assert rows["parameter tau"] == "0.01 to 1, log; what is told here is at 0.1"
    assert rows["parameter eps"] == "-1 to 1, linear; what is told here is at 0"
