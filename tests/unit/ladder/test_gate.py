"""The gate: what is clearly worse falls, what is clearly good passes, and the rest gets another seed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.core.errors import InfrastructureError
from harness.ladder.gate import Gate, GuardRail, interval

GATE = Gate("score", 0.1, 0.05, (2, 4, 8), rails=(GuardRail("finite", least=1.0), GuardRail("kl", most=3.0)))


def seeds(*scores: float, **also: float) -> dict[int, dict[str, float]]:
    return {i: {"score": s, "finite": 1.0, "kl": 1.0, **also} for i, s in enumerate(scores)}


BASE = seeds(*[0.6] * 8)


def test_between_two_looks_nothing_is_decided() -> None:
    assert GATE.decide(seeds(0.0), BASE) is None
    assert GATE.decide(seeds(0.0, 0.0, 0.0), BASE) is None


def test_what_is_clearly_worse_is_rejected_with_its_figures() -> None:
    decision = GATE.decide(seeds(0.1, 0.11), BASE)
    assert decision is not None
    assert decision.decision == "reject"
    assert decision.detail["seeds"] == 2
    assert decision.detail["difference"] == pytest.approx(-0.495)
    assert decision.reason.endswith("worse than the baseline by more than 0.1 with 95 %")


def test_what_is_clearly_as_good_is_promoted_at_the_first_look() -> None:
    decision = GATE.decide(seeds(0.6, 0.601), BASE)
    assert decision is not None
    assert decision.decision == "promote"


def test_an_open_question_gets_more_seeds_until_the_last_look() -> None:
    swinging = (0.2, 0.8, 0.3, 0.7, 0.2, 0.8, 0.3, 0.7)
    assert GATE.decide(seeds(*swinging[:2]), BASE) is None
    assert GATE.decide(seeds(*swinging[:4]), BASE) is None
    last = GATE.decide(seeds(*swinging), BASE)
    assert last is not None
    assert last.decision == "promote"
    strict = Gate("score", 0.1, 0.05, (2, 4, 8), undecided="reject")
    refused = strict.decide(seeds(*swinging), BASE)
    assert refused is not None
    assert refused.decision == "reject"


@pytest.mark.parametrize(
    ("also", "named"),
    [({"finite": 0.5}, "finite"), ({"finite": math.nan}, "finite"), ({"kl": 3.5}, "kl"), ({"kl": math.inf}, "kl")],
)
def test_a_guard_rail_ends_it_at_any_seed_whatever_the_score(also: dict[str, float], named: str) -> None:
    decision = GATE.decide(seeds(0.9, **also), BASE)
    assert decision is not None
    assert decision.decision == "reject"
    assert decision.detail["rail"] == named


@pytest.mark.parametrize("name", ["kl", "finite", "score"])
def test_a_metric_that_is_missing_decides_nothing(name: str) -> None:
    """It is the ladder's mistake, or ours: no candidate has a say in which metrics there are."""
    measured = seeds(0.9, 0.9)
    del measured[1][name]
    with pytest.raises(InfrastructureError, match=f"no {name} for seed 1") as error:
        GATE.decide(measured, BASE)
    assert error.value.exit_code == 3
    assert error.value.remedy


def test_a_rail_that_is_broken_counts_before_metrics_that_are_missing_for_it() -> None:
    """A training that was ended early has few metrics, and its rail says why."""
    decision = GATE.decide({0: {"score": 0.0, "finite": 0.0}}, BASE)
    assert decision is not None
    assert (decision.decision, decision.detail["rail"]) == ("reject", "finite")


def test_a_rail_that_the_baseline_breaks_as_well_says_nothing_of_the_candidate() -> None:
    base = seeds(*[0.6] * 8, kl=9.0)
    with pytest.raises(InfrastructureError, match="the baseline breaks that rail too, with 9"):
        GATE.decide(seeds(0.9, kl=3.5), base)
    assert GATE.decide(seeds(0.9, kl=2.5), base) is None
    with pytest.raises(InfrastructureError, match="breaks that rail too, with nan"):
        GATE.decide(seeds(0.9, kl=math.nan), seeds(0.6, kl=math.nan))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_training_that_fell_apart_is_told_beside_the_baselines_that_did_not(value: float) -> None:
    decision = GATE.decide(seeds(0.9, kl=value), BASE)
    assert decision is not None
    assert decision.reason == (
        f"kl is {value} for seed 0, and has to be at {'least -inf' if math.isnan(value) else 'most 3'}: "
        "its training did not stay finite (the baseline: 1)"
    )


def test_pairing_is_by_seed_and_not_by_order() -> None:
    base = {i: {"score": i / 10} for i in range(8)}
    same = {i: {"score": i / 10 + 0.001 * i, "finite": 1.0, "kl": 0.0} for i in (1, 0)}
    decision = GATE.decide(same, base)
    assert decision is not None
    assert decision.detail["difference"] == pytest.approx(0.0005)


def test_a_seed_that_the_baseline_lacks_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="seeds"):
        GATE.decide(seeds(1.0, 1.0), seeds(1.0))


def test_wrong_decisions_are_rarer_than_alpha() -> None:
    draw = np.random.Generator(np.random.PCG64(5))
    wrong = 0
    for _ in range(400):
        measured: dict[int, dict[str, float]] = {}
        for seed in range(8):  # exactly at the margin: promoting and rejecting are both wrong
            measured[seed] = {"score": 0.5 + 0.05 * draw.normal(), "finite": 1.0, "kl": 0.0}
            decision = GATE.decide(measured, BASE)
            if decision is not None:
                break
        wrong += decision is not None and "still open" not in decision.reason
    assert wrong / 400 < 0.05 + 0.03


def test_the_sentence_has_the_numbers() -> None:
    gate = Gate("score", 0.01, 0.05, (7,), against="dpo")
    gaps = (0.012, 0.020, 0.004, 0.012, 0.021, 0.003, 0.012)
    base = seeds(*[0.5] * 7)
    decision = gate.decide(seeds(*[0.5 + gap for gap in gaps]), base)
    assert decision is not None
    assert decision.reason == (
        "better than dpo by 0.012 (score), 95 % interval 0.006 to 0.018, 7 paired seeds: "
        "not worse than dpo by more than 0.01 with 95 %"
    )
    assert (decision.detail["against"], decision.detail["alpha"], decision.detail["looks"]) == ("dpo", 0.05, 1)
    turned = gate.decide(seeds(*[0.5 - 10 * gap for gap in gaps]), base)
    assert turned is not None
    assert turned.decision == "reject"
    assert turned.reason.startswith("worse than dpo by 0.12 (score), 95 % interval 0.06 to 0.18, 7 paired seeds: worse")


@pytest.mark.parametrize(
    ("scores", "decision", "worth"),
    [
        ((0.495, 0.505), "promote", "not worse than dpo by more than 0.25 with 95 %, and worse: the estimate is -0.10"),
        ((0.58, 0.60), "promote", "by more than 0.25 with 95 %; it may still be worse: the estimate is -0.01"),
        ((0.80, 0.81), "promote", "2 paired seeds: not worse than dpo by more than 0.25 with 95 %"),
        ((0.10, 0.11), "reject", "worse than dpo by more than 0.25 with 95 %"),
        ((0.10, 0.90), "promote", "last look, and so it is promoted: it may be worse than dpo by more than 0.25"),
    ],
)
def test_the_sentence_says_what_a_promotion_is_worth(scores: tuple[float, ...], decision: str, worth: str) -> None:
    found = Gate("reward", 0.25, 0.05, (2,), against="dpo").decide(
        {seed: {"reward": score} for seed, score in enumerate(scores)}, {0: {"reward": 0.6}, 1: {"reward": 0.6}}
    )
    assert found is not None
    assert (found.decision, found.reason[-len(worth) :]) == (decision, worth)


def test_what_is_left_open_may_be_rejected_and_may_not_be_better() -> None:
    for undecided, said in (("reject", "so it is rejected"), ("promote", "it may not be better than dpo by 0.1")):
        gate = Gate("score", -0.1, 0.05, (2,), undecided=undecided, against="dpo")
        found = gate.decide(seeds(0.1, 0.9), BASE)
        assert found is not None
        assert found.decision == undecided
        assert said in found.reason


def test_the_difference_that_is_shown_is_the_one_that_decided() -> None:
    candidate = seeds(0.70, 0.72, 0.68, 0.66)
    decision = GATE.decide(candidate, BASE)
    shown = GATE.difference(candidate, BASE)
    assert decision is not None
    assert {k: decision.detail[k] for k in ("difference", "low", "high", "seeds")} == {
        "difference": shown.mean, "low": shown.low, "high": shown.high, "seeds": shown.seeds,
    }  # fmt: skip
    assert (shown.low, shown.high) == interval([0.7 - 0.6, 0.72 - 0.6, 0.68 - 0.6, 0.66 - 0.6], 0.05 / 3)
    assert GATE.level == "95 % interval, right at all 3 looks"
    assert GATE.difference(candidate, BASE, "kl").mean == 0.0
    assert math.isnan(GATE.difference(candidate, BASE, "unheard").mean)


def test_several_looks_are_told() -> None:
    decision = GATE.decide(seeds(0.1, 0.11), BASE)
    assert decision is not None
    assert "2 paired seeds, right at all 3 looks" in decision.reason


def test_a_negative_margin_asks_for_more_than_the_baseline_has() -> None:
    gate = Gate("score", -0.02, 0.05, (4,), undecided="reject")
    base = seeds(*[0.5] * 4)
    better = gate.decide(seeds(0.55, 0.551, 0.549, 0.55), base)
    as_good = gate.decide(seeds(0.51, 0.511, 0.509, 0.51), base)
    assert better is not None
    assert as_good is not None
    assert (better.decision, as_good.decision) == ("promote", "reject")
    assert better.reason.endswith("better than the baseline by more than 0.02 with 95 %")
    assert as_good.reason.endswith("not better than the baseline by 0.02 with 95 %")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_never_passes(value: float) -> None:
    lenient = Gate("score", 0.1, 0.05, (2,), undecided="promote")
    for measured in (seeds(value), seeds(0.9, value)):
        decision = lenient.decide(measured, BASE)
        assert decision is not None
        assert decision.decision == "reject"
        assert "finite" in decision.reason


def test_a_baseline_that_is_no_number_decides_nothing() -> None:
    with pytest.raises(InfrastructureError, match="baseline's score"):
        GATE.decide(seeds(0.9, 0.9), seeds(0.5, math.nan))


def test_an_interval_needs_two_finite_values() -> None:
    assert interval([1.0], 0.05) == (-math.inf, math.inf)
    assert interval([1.0, math.nan], 0.05) == (-math.inf, math.inf)
    assert interval([2.0, 2.0], 0.05) == (2.0, 2.0)
    low, high = interval([0.0, 1.0, 2.0], 0.05)
    assert (low, high) == pytest.approx((1 - 2.4841, 1 + 2.4841), abs=1e-3)
