"""Length-controlled win rate: a judge that likes length is seen through, and a better model is not missed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.core.errors import UserError
from harness.llm_judge.length import Compared, _features, _folds, length_controlled


def drawn(count: int, *, phi: float, theta: float, longer: float, psi: float = 0.0, seed: int = 1) -> list[Compared]:
    """Preferences from the model itself: hard verdicts of a judge with these coefficients."""
    draw = np.random.Generator(np.random.PCG64(seed))
    theirs = draw.integers(500, 1500, size=count)
    gap = draw.normal(longer, 300.0, size=count)
    hard = draw.normal(size=count)
    logit = phi * np.tanh(gap / gap.std(ddof=1)) + psi * hard + theta
    won = draw.uniform(size=count) < 1.0 / (1.0 + np.exp(-logit))
    return [
        Compared(float(w), int(t + max(g, 1 - t)), int(t), float(h))
        for w, t, g, h in zip(won, theirs, gap, hard, strict=True)
    ]


def test_a_judge_that_only_likes_length_gives_a_half_at_equal_length() -> None:
    found = length_controlled(drawn(500, phi=2.0, theta=0.0, longer=400.0), resamples=60)
    assert found.plain > 0.75
    assert found.win_rate == pytest.approx(0.5, abs=0.09)
    assert found.low < 0.5 < found.high
    assert found.length == pytest.approx(2.0, abs=0.6)


def test_a_better_model_stays_better() -> None:
    found = length_controlled(drawn(500, phi=1.0, theta=1.0, longer=-300.0), resamples=60)
    assert found.plain < 0.65
    assert found.win_rate == pytest.approx(1.0 / (1.0 + math.exp(-1.0)), abs=0.08)
    assert found.plain < found.low < found.win_rate < found.high


def test_with_hardly_a_penalty_it_is_the_maximum_of_the_likelihood() -> None:
    """Against an optimizer of its own: the same three coefficients, where cross-validation wants no penalty."""
    from scipy import optimize

    compared = drawn(600, phi=1.5, theta=0.7, longer=0.0, psi=0.8)
    found = length_controlled(compared, resamples=2)
    gap = np.array([one.ours - one.theirs for one in compared], dtype=float)
    x = np.column_stack([np.tanh(gap / gap.std(ddof=1)), [one.difficulty for one in compared], np.ones(len(compared))])
    p = np.array([one.preference for one in compared])

    def loss(w: np.ndarray) -> float:
        z = x @ w
        return float((np.logaddexp(0.0, z) - p * z).sum() + np.abs(w).sum() / found.strength)

    best = optimize.minimize(loss, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9}).x
    assert (found.length, found.difficulty, found.model) == pytest.approx(tuple(best), abs=5e-3)
    at_zero = 1.0 / (1.0 + np.exp(-(x[:, 1:] @ best[1:])))
    assert found.win_rate == pytest.approx(at_zero.mean(), abs=1e-3)


def test_soft_preferences_are_weights_and_not_rounded() -> None:
    even = [Compared(0.6, 100 + n % 7, 100 + n % 5) for n in range(100)]
    assert length_controlled(even, resamples=2).win_rate == pytest.approx(0.6, abs=0.02)


def test_the_same_input_gives_the_same_figures() -> None:
    compared = drawn(60, phi=1.0, theta=0.5, longer=100.0)
    assert length_controlled(compared, resamples=20) == length_controlled(compared, resamples=20)


def test_lengths_that_never_differ_leave_the_plain_rate() -> None:
    compared = [Compared(float(n % 4 > 0), 100, 100) for n in range(200)]
    found = length_controlled(compared, resamples=2)
    assert found.length == 0.0
    assert found.win_rate == pytest.approx(found.plain, abs=0.02)
    always = [Compared(1.0, 100 + n, 90) for n in range(50)]
    assert length_controlled(always, resamples=2).win_rate > 0.9


def test_anchors_pull_the_length_term_and_not_the_model() -> None:
    own = drawn(200, phi=0.2, theta=0.0, longer=0.0)
    longer_wins = [Compared(1.0 if n % 2 else 0.0, 1500 if n % 2 else 500, 1000) for n in range(600)]
    with_anchors = length_controlled(own, longer_wins, resamples=2)
    without = length_controlled(own, resamples=2)
    assert with_anchors.length > without.length + 0.5
    assert with_anchors.win_rate == pytest.approx(without.win_rate, abs=0.06)
    assert (with_anchors.anchors, with_anchors.prompts) == (600, 200)
    assert with_anchors.plain == without.plain


@pytest.mark.parametrize(
    "bad",
    [
        [],
        [Compared(1.0, 1, 2)] * 4,
        [Compared(1.0, 1, 2)] * 9 + [Compared(1.1, 1, 2)],
        [Compared(1.0, 1, 2)] * 9 + [Compared(math.nan, 1, 2)],
        [Compared(1.0, 1, 2)] * 9 + [Compared(0.5, 1, 2, math.inf)],
    ],
)
def test_what_cannot_be_fitted_is_refused(bad: list[Compared]) -> None:
    with pytest.raises(UserError):
        length_controlled(bad)


def test_no_prompt_is_both_learnt_from_and_scored() -> None:
    from sklearn.model_selection import GroupKFold

    folds = _folds(GroupKFold(5), 23)
    assert sorted(row for _, scored in folds for row in scored) == list(range(46))
    for learnt, scored in folds:
        assert {row % 23 for row in learnt}.isdisjoint({row % 23 for row in scored})


def test_an_anchor_weighs_a_tenth_and_is_without_the_model() -> None:
    own = [Compared(1.0, 30, 10, 0.5), Compared(0.0, 10, 30, 0.5)]
    features, p, weight = _features(own, [Compared(0.25, 50, 10, -1.0)])
    spread = math.sqrt(800.0)  # of the model's own prompts alone
    assert features[:, 0] == pytest.approx(np.tanh(np.array([20.0, -20.0, 40.0]) / spread))
    assert features[:, 1:].tolist() == [[0.5, 1.0], [0.5, 1.0], [-1.0, 0.0]]
    assert (p.tolist(), weight.tolist()) == ([1.0, 0.0, 0.25], [1.0, 1.0, 0.1])
