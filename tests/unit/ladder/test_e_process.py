"""Evidence: rarely wrong however often somebody looks, and soon enough right."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from harness.ladder.evidence import (
    PromptGate,
    Unit,
    at_equal_length,
    by_bets,
    by_t,
    effects_of,
    interval_by_bets,
    single,
)


def rewards(draw: np.random.Generator, mean: float, count: int, spread: float = 0.33) -> np.ndarray:
    return np.clip(mean + spread * draw.normal(size=count), -1.0, 1.0)


def test_with_a_look_after_each_prompt_chance_is_promoted_no_more_often_than_alpha() -> None:
    draw = np.random.Generator(np.random.PCG64(1))
    kinds = {
        "normal": lambda: rewards(draw, 0.0, 1500),
        "judge": lambda: draw.choice([-1.0, 0.0, 1.0], p=[0.3, 0.4, 0.3], size=1500),
        "rare": lambda: np.where(draw.uniform(size=1500) < 0.02, -0.98, 0.02),
    }
    for name, kind in kinds.items():
        wrong = sum(by_bets(kind()).max() >= 20.0 for _ in range(300))
        assert wrong <= 15 + 3 * math.sqrt(300 * 0.05 * 0.95), name  # 5 % of 300, and three standard deviations


def test_a_paired_t_test_at_each_look_would_be_wrong_far_more_often() -> None:
    draw = np.random.Generator(np.random.PCG64(1))
    wrong = 0
    for _ in range(100):
        x = rewards(draw, 0.0, 1500)
        n = np.arange(1, 1501)
        mean = np.cumsum(x) / n
        error = np.sqrt(np.maximum(np.cumsum(x**2) / n - mean**2, 1e-12) / n)
        wrong += bool((mean[9:] / error[9:] > 1.645).any())
    assert wrong > 25  # what the e-process is there for


@pytest.mark.parametrize(("effect", "prompts"), [(0.2, 60), (0.05, 400), (0.02, 2600)])
def test_a_true_effect_is_found_with_about_as_many_prompts_as_it_takes(effect: float, prompts: int) -> None:
    draw = np.random.Generator(np.random.PCG64(2))
    needed = []
    for _ in range(60):
        reached = np.flatnonzero(by_bets(rewards(draw, effect, 4 * prompts)) >= 20.0)
        needed.append(reached[0] + 1 if reached.size else math.inf)
    assert np.median(needed) <= prompts


def test_the_mean_of_the_evidence_is_one_at_most_while_nothing_is_there() -> None:
    # Exactly, by all outcomes: eight prompts of a judge that tosses a coin.
    outcomes = (np.array(np.meshgrid(*[[-1.0, 1.0]] * 8)).reshape(8, -1)).T
    mean = np.mean([by_bets(row)[-1] for row in outcomes])
    assert mean == pytest.approx(1.0, abs=1e-9)
    # And below the null it is less.
    assert np.mean([by_bets(row, 0.1)[-1] for row in outcomes]) < 1.0


def test_the_order_of_prompts_does_not_matter() -> None:
    x = rewards(np.random.Generator(np.random.PCG64(3)), 0.1, 200)
    assert by_bets(x)[-1] == pytest.approx(by_bets(x[::-1])[-1])
    assert interval_by_bets(x, 0.05) == pytest.approx(interval_by_bets(x[::-1], 0.05), abs=1e-9)


@pytest.mark.parametrize("bad", [1.01, -1.01, math.nan, math.inf])
def test_an_effect_that_would_void_the_guarantee_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="between -1 and 1"):
        by_bets([0.0, bad])
    with pytest.raises(ValueError, match="between -1 and 1"):
        interval_by_bets([bad], 0.05)


@pytest.mark.parametrize("null", [1.0, -1.0, math.nan, 2.0])
def test_a_null_beyond_what_effects_can_be_is_refused(null: float) -> None:
    with pytest.raises(ValueError, match="within -1 and 1"):
        by_bets([0.0], null)


def test_the_interval_covers_at_all_looks_together() -> None:
    draw = np.random.Generator(np.random.PCG64(4))
    missed = 0
    for _ in range(60):
        x = rewards(draw, 0.1, 400)
        looks = [interval_by_bets(x[:n], 0.1) for n in (5, 20, 50, 100, 200, 400)]
        missed += any(not low <= 0.1 <= high for low, high in looks)
    assert missed <= 6 + 3 * math.sqrt(60 * 0.1 * 0.9)


def test_the_interval_narrows_and_agrees_with_the_evidence() -> None:
    x = rewards(np.random.Generator(np.random.PCG64(5)), 0.1, 2000)
    assert interval_by_bets([], 0.05) == (-1.0, 1.0)
    widths = [high - low for low, high in (interval_by_bets(x[:n], 0.05) for n in (10, 100, 2000))]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.07
    low, _ = interval_by_bets(x, 0.05)
    assert by_bets(x, low - 1e-6)[-1] >= 40.0 > by_bets(x, low + 1e-6)[-1]


def test_strong_evidence_grows_without_end_and_without_a_warning() -> None:
    assert by_bets(np.ones(5000))[-1] == math.inf
    low, high = interval_by_bets(np.ones(50), 0.05)
    assert 0.7 < low < high <= 1.0


@pytest.mark.parametrize(("t", "n", "size"), [(2.0, 5, 1.0), (-1.0, 3, 2.0), (6.0, 8, 0.5), (0.0, 4, 4.0)])
def test_the_ratio_of_t_is_that_of_the_densities(t: float, n: int, size: float) -> None:
    from harness.ladder.evidence import _log_ratio

    expected = stats.nct.logpdf(t, n - 1, size * math.sqrt(n)) - stats.t.logpdf(t, n - 1)
    assert _log_ratio(t, n, size) == pytest.approx(expected, abs=1e-6)


def test_seeds_of_nothing_rarely_look_like_something_whenever_one_stops() -> None:
    draw = np.random.Generator(np.random.PCG64(6))
    wrong = 0
    for _ in range(400):
        x = 0.01 * draw.normal(size=8)
        wrong += any(by_t(x[:n].tolist()) >= 20.0 for n in range(2, 9))
    assert wrong <= 20


def test_seeds_of_something_do() -> None:
    draw = np.random.Generator(np.random.PCG64(7))
    found = sum(by_t((0.02 + 0.01 * draw.normal(size=7)).tolist()) >= 20.0 for _ in range(100))
    assert found >= 70
    assert by_t([0.055, 0.053, 0.057]) > 20.0  # as DPO minus LRML in the prototype: three seeds are enough for that
    assert by_t([-0.055, -0.053, -0.057]) < 0.5


def test_units_do_not_matter_and_the_margin_does() -> None:
    x = [0.02, 0.03, 0.025, 0.01]
    assert by_t([1000.0 * v for v in x]) == pytest.approx(by_t(x))
    assert by_t(x, 0.02) < by_t(x)


def test_what_is_no_evidence() -> None:
    assert by_t([]) == 1.0
    assert by_t([0.5]) == 1.0
    assert by_t([0.0, 0.0, 0.0]) < 1.0
    assert by_t([0.1, math.nan, 0.1]) == 0.0
    assert by_t([0.1, math.inf, 0.1]) == 0.0
    assert 1.0 < by_t([0.1, 0.1, 0.1]) < math.inf  # without spread, and still only three seeds


GATE = PromptGate(margin=0.0, alpha=0.1, most=400, metric="preference", against="dpo")


def test_prompts_are_promoted_rejected_or_left_open() -> None:
    draw = np.random.Generator(np.random.PCG64(8))
    up = rewards(draw, 0.2, 400)
    promoted = GATE.decide(up)
    assert promoted is not None
    assert promoted.decision == "promote"
    assert promoted.reason.startswith("better than dpo by 0.")
    assert "400 prompts of one trained model" in promoted.reason
    rejected = GATE.decide(-up)
    assert rejected is not None
    assert rejected.decision == "reject"
    assert GATE.decide([]) is None
    assert GATE.decide([0.5, -0.5]) is None
    still = GATE.decide(np.tile([0.5, -0.5], 200))
    assert still is not None
    assert (still.decision, still.reason.rpartition(": ")[2]) == (
        "reject",
        "still open after the last prompt, and so it is rejected",
    )


def test_what_was_decided_stays_decided() -> None:
    draw = np.random.Generator(np.random.PCG64(9))
    x = rewards(draw, 0.3, 60)
    first = next(n for n in range(1, 61) if GATE.decide(x[:n]) is not None)
    regret = np.concatenate([x[:first], np.tile([-0.5, 0.5], 50)])
    for n in range(first, regret.size):
        decision = GATE.decide(regret[:n])
        assert decision is not None
        assert decision.decision == "promote"


def test_the_prompt_gate_is_rarely_wrong_with_a_look_after_each() -> None:
    draw = np.random.Generator(np.random.PCG64(10))
    wrong = 0
    for _ in range(200):
        decision = GATE.decide(rewards(draw, 0.0, 400))  # a decision at any look counts, by the test above
        wrong += decision is not None and "still open" not in decision.reason
    assert wrong <= 20


def test_a_margin_lets_pass_what_is_hardly_worse() -> None:
    x = rewards(np.random.Generator(np.random.PCG64(11)), -0.02, 400)
    lenient = PromptGate(margin=0.1, alpha=0.1, most=400)
    decision = lenient.decide(x)
    assert decision is not None
    assert decision.decision == "promote"
    assert "not worse than the baseline by more than 0.1 with 90 %" in decision.reason


def test_every_prompt_counts_once_and_no_win_at_length_without_a_partner() -> None:
    draw = np.random.default_rng(3)
    for size in (1, 2, 3, 20, 101):
        gaps = dict(enumerate(np.round(draw.normal(4.0, 10.0, size)).tolist()))
        order = draw.permutation(size).tolist()
        units = at_equal_length(gaps, order)
        assert sorted(number for unit in units for number in unit.prompts) == list(range(size))
        for unit in units:
            longer = [number for number in unit.prompts if gaps[number] > 0]
            if len(unit.prompts) == 2:
                (one,) = longer
                (other,) = set(unit.prompts) - {one}
                assert -gaps[other] >= gaps[one]
            else:
                assert unit.capped == bool(longer)
        last = [max(order.index(number) for number in unit.prompts) for unit in units]
        assert last == sorted(last)
    assert Unit((0,), capped=True).effect({0: 1.0}) == 0.0
    assert Unit((0,), capped=True).effect({0: -1.0}) == -1.0


TASTES = {
    "in proportion": lambda gap, spread: 0.7 * np.tanh(gap / spread),
    "whichever is longer": lambda gap, _: 0.4 * np.sign(gap),
    "soon enough": lambda gap, spread: 0.4 * np.tanh(4.0 * gap / spread),
    "a logistic regression's": lambda gap, spread: np.tanh(2.0 * np.tanh(gap / spread)),
}
GAPS = {
    "longer by half": lambda draw: draw.normal(30.0, 60.0, 200),
    "a little longer, or much shorter": lambda draw: np.where(draw.random(200) < 0.6, 40.0, -600.0),
    "skewed": lambda draw: (1.0 - draw.lognormal(0.0, 1.0, 200)) * 50.0,
}


@pytest.mark.parametrize("taste", TASTES)
@pytest.mark.parametrize("lengths", GAPS)
def test_a_taste_for_length_alone_is_no_preference_at_equal_length(taste: str, lengths: str) -> None:
    draw, found, fooled = np.random.default_rng(0), 0, 0
    for _ in range(40):
        gaps = GAPS[lengths](draw)
        likely = np.clip(0.5 + 0.5 * TASTES[taste](gaps, gaps.std(ddof=1)), 0.0, 1.0)
        effects = dict(enumerate(np.where(draw.random(200) < likely, 1.0, -1.0).tolist()))
        order = draw.permutation(200).tolist()
        decided = PromptGate(0.0, 0.1, 200).decide(effects_of(single(order), effects))
        fooled += decided is not None and decided.decision == "promote"
        units = at_equal_length(dict(enumerate(gaps.tolist())), order)
        decided = PromptGate(0.0, 0.1, len(units)).decide(effects_of(units, effects))
        found += decided is not None and decided.decision == "promote"
    assert found <= 4, "half of alpha is the most that may be"
    if lengths == "longer by half":
        assert fooled > 10


def test_what_is_lost_at_length_is_lost_though_nothing_is_like_it() -> None:
    draw, found = np.random.default_rng(1), 0
    for _ in range(40):
        long = draw.random(200) < 0.6
        gaps = np.where(long, 600.0, -40.0) + draw.normal(0.0, 1.0, 200)
        effects = dict(enumerate(np.where(draw.random(200) < np.where(long, 0.05, 0.65), 1.0, -1.0).tolist()))
        units = at_equal_length(dict(enumerate(gaps.tolist())), draw.permutation(200).tolist())
        decided = PromptGate(0.1, 0.1, len(units)).decide(effects_of(units, effects))
        found += decided is not None and decided.decision == "promote"
    assert found == 0


def test_as_good_at_every_length_is_found() -> None:
    draw = np.random.default_rng(2)
    gaps = dict(enumerate(draw.normal(0.0, 60.0, 400).tolist()))
    effects = dict(enumerate(np.where(draw.random(400) < 0.65, 1.0, -1.0).tolist()))
    units = at_equal_length(gaps, draw.permutation(400).tolist())
    decided = PromptGate(0.0, 0.1, len(units)).decide(effects_of(units, effects))
    assert decided is not None
    assert decided.decision == "promote"


def test_a_unit_without_all_its_effects_is_left_out() -> None:
    units = at_equal_length({0: 5.0, 1: -5.0, 2: 0.0}, [0, 1, 2])
    assert effects_of(units, {0: 1.0, 2: -1.0}) == [-1.0]
    assert effects_of(units, {0: 1.0, 1: 0.0, 2: -1.0}) == [pytest.approx(0.5), -1.0]


def test_what_the_mean_speaks_against_is_not_promoted_for_what_came_first() -> None:
    gate = PromptGate(0.0, 0.1, 60)
    decided = gate.decide([1.0] * 20 + [-1.0] * 40)
    assert decided is not None
    assert decided.decision == "reject"
    decided = PromptGate(0.0, 0.1, 60, "promote").decide([-1.0] * 20 + [1.0] * 40)
    assert decided is not None
    assert decided.decision == "promote"
    assert "still open" in decided.reason
