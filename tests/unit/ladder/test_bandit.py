"""The bandit rung on losses that are written here, without a sandbox: it ranks them as it should."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from harness.core.domain import Domain
from harness.core.program import CallPlan, Program
from harness.ladder.bandit import TASKS, Settings, draw_task, expected_reward, log_softmax, measure
from harness.ladder.curves import curves
from harness.ladder.gate import interval
from harness.oracle.again import Kept
from harness.oracle.oracle import Oracle
from harness.protocol.batch import Answer, Complaint
from harness.subject.preference import PreferenceSubject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from harness.protocol.batch import Batch
    from harness.protocol.batch_types import PairBatch
    from harness.subject.subject import Subject

    Curve = Callable[[NDArray[Any]], NDArray[Any]]

SEEDS = range(4)


class Pointwise(Oracle):
    """Answers with a loss of x = beta rho that is given by its value and its slope."""

    def __init__(self, value: Curve, slope: Curve) -> None:
        self.value, self.slope = value, slope
        plan = CallPlan("loss", "function", ("policy_chosen_logps",))
        self.program = Program(text="", guarded=True, plan=plan, name="loss", source="")
        self.has_gpu, self.calls = False, 0

    def ask(self, batches: Sequence[Batch], **_: object) -> list[Answer | Complaint]:
        return [self._one(b) for b in cast("Sequence[PairBatch]", batches)]

    def _one(self, batch: PairBatch) -> Answer:
        x = batch.beta * batch.rho
        with np.errstate(all="ignore"):
            values = self.value(x).astype(np.float32)
            slope = (self.slope(x) * batch.beta / batch.pairs).astype(np.float32)
        return Answer((batch.pairs,), np.dtype("<f4"), values, (slope, -slope), detached=False)


def sigmoid(x: NDArray[Any]) -> NDArray[Any]:
    return 1.0 / (1.0 + np.exp(-x))


LOSSES: dict[str, tuple[Curve, Curve]] = {
    "dpo": (lambda x: np.logaddexp(0, -x), lambda x: -sigmoid(-x)),
    "ipo": (lambda x: (x - 0.5) ** 2, lambda x: 2 * (x - 0.5)),
    "slic": (lambda x: np.maximum(0, 1 - x), lambda x: -1.0 * (x < 1)),
    "inverted": (lambda x: np.logaddexp(0, x), sigmoid),
    "constant": (lambda x: 0 * x, lambda x: 0 * x),
    "exploding": (lambda x: -x * np.exp(x**2), lambda x: -(1 + 2 * x**2) * np.exp(x**2)),
}


def subject_of(name: str) -> Subject:
    return PreferenceSubject(Pointwise(*LOSSES[name]), Domain())


@pytest.fixture(scope="module")
def scores() -> dict[str, list[dict[str, float]]]:
    return {name: [measure(subject_of(name), seed) for seed in SEEDS] for name in LOSSES}


@pytest.mark.rest
def test_good_losses_stand_above_bad_ones_with_intervals_apart(scores: dict[str, list[dict[str, float]]]) -> None:
    ranges = {name: interval([m["score"] for m in each], 0.05) for name, each in scores.items()}
    for good in ("dpo", "ipo", "slic"):
        for bad in ("inverted", "constant", "exploding"):
            assert ranges[good][0] > ranges[bad][1], (good, bad, ranges)


def test_what_is_measured_is_what_was_declared(scores: dict[str, list[dict[str, float]]]) -> None:
    declared = Settings().declared().metrics
    for metrics in (one for each in scores.values() for one in each):
        measured = {name: value for name, value in metrics.items() if "@" not in name}
        assert set(measured) == set(declared)
        assert all(declared[name][0] <= value <= declared[name][1] for name, value in measured.items())


def test_what_does_not_learn_stays_exactly_where_it_is(scores: dict[str, list[dict[str, float]]]) -> None:
    assert all(m["score"] == 0.0 and m["kl"] == 0.0 for m in scores["constant"])


def test_a_training_that_ends_in_nan_is_told_and_counts_as_the_worst(
    scores: dict[str, list[dict[str, float]]],
) -> None:
    assert all(m["finite"] < 1.0 and m["worst"] < -0.5 and m["kl"] == np.inf for m in scores["exploding"])
    assert all(m["finite"] == 1.0 for m in scores["dpo"])


def test_the_learning_curve_has_a_few_points_and_ends_at_the_score(scores: dict[str, list[dict[str, float]]]) -> None:
    for metrics in scores["dpo"]:
        (points,) = curves(metrics).values()
        assert [step for step, _ in points] == [30, 60, 90, 120, 150]
        assert points[-1][1] == pytest.approx(metrics["score"])
        assert 0.0 < points[0][1] < points[-1][1]
    assert all(m["score@30"] < -0.1 for m in scores["inverted"])
    assert all(m[f"score@{step}"] == 0.0 for m in scores["constant"] for step in (30, 150))


def alone(name: str, seed: int) -> dict[str, float]:
    """The metrics with each training for itself, one after the other: a beta and a task at a time."""
    tried = [measure(subject_of(name), seed, Settings(betas=(beta,))) for beta in Settings().betas]
    shared = {key for key in tried[0] if "@" not in key and key not in {"best", "worst", "kl"}}
    return {key: sum(one[key] for one in tried) / len(tried) for key in shared}


@pytest.mark.parametrize("name", ["dpo", "exploding"])
def test_trainings_side_by_side_come_to_what_each_comes_to_alone(
    name: str, scores: dict[str, list[dict[str, float]]]
) -> None:
    found = alone(name, 1)
    assert found == {key: scores[name][1][key] for key in found}


def test_of_what_is_asked_again_every_training_has_a_share() -> None:
    subject = subject_of("dpo")
    kept: Kept = Kept(20, 1)
    ask = subject.oracle.ask
    requests: list[int] = []

    def noted(batches: Sequence[Batch], **more: Any) -> list[Answer | Complaint]:
        answers = ask(batches, **more)
        kept.take(batches, answers)
        requests.append(len(batches))
        return answers

    subject.oracle.ask = noted  # type: ignore[method-assign]
    measure(subject, 0)
    trainings = len(Settings().betas) * len(TASKS)
    assert requests[-1] == trainings, "all of a step in one request"
    assert len(requests) < Settings().steps + 10
    asked = kept.latest_first()
    betas = [cast("PairBatch", one.batch).beta for one in asked]
    assert all(betas.count(beta) > len(asked) / 4 for beta in Settings().betas)


def test_a_curve_ends_where_the_first_training_broke_off() -> None:
    def breaks(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(np.abs(x) > 6.0, np.nan, -1.0)

    found = measure(PreferenceSubject(Pointwise(lambda x: -x, breaks), Domain()), 0)
    (points,) = curves(found).values()
    assert found["finite"] < 1.0
    assert 0 < len(points) < 5
    assert all(np.isfinite(value) and value > 0.0 for _, value in points)
    early = measure(PreferenceSubject(Pointwise(lambda x: -x, lambda x: np.nan * x), Domain()), 0)
    assert curves(early) == {}


@pytest.mark.parametrize("steps", [1, 3, 7, 150])
def test_any_number_of_steps_has_a_curve(steps: int) -> None:
    found = measure(PreferenceSubject(Pointwise(*LOSSES["dpo"]), Domain()), 0, Settings(steps=steps))
    (points,) = curves(found).values()
    assert len(points) == min(5, steps)
    step, score = points[-1]
    assert step == steps
    assert score == pytest.approx(found["score"])


def test_noise_in_the_labels_costs_something(scores: dict[str, list[dict[str, float]]]) -> None:
    assert all(m["score_noisy"] < m["score_clean"] for m in scores["dpo"])


def test_the_same_seed_gives_the_same_numbers(scores: dict[str, list[dict[str, float]]]) -> None:
    assert measure(PreferenceSubject(Pointwise(*LOSSES["dpo"]), Domain()), 0) == scores["dpo"][0]
    assert scores["dpo"][0] != scores["dpo"][1]


def test_labels_are_turned_round_as_often_as_was_said_and_nothing_else_changes() -> None:
    clean, noisy = (draw_task(Settings(pairs=4000), share, 3) for share in (0.0, 0.2))
    assert np.array_equal(clean.rewards, noisy.rewards)
    turned = (clean.pairs[:, 1] == noisy.pairs[:, 2]) & (clean.pairs[:, 2] == noisy.pairs[:, 1])
    assert 0.17 < turned.mean() < 0.23
    assert np.array_equal(clean.pairs[~turned], noisy.pairs[~turned])
    context, chosen, rejected = clean.pairs.T
    assert (clean.rewards[context, chosen] >= clean.rewards[context, rejected]).all()
    assert (chosen != rejected).all()


def test_the_reference_scores_zero_and_the_best_arms_one() -> None:
    task = draw_task(Settings(), 0.0, 0)
    assert np.exp(log_softmax(task.reference)).sum(axis=1) == pytest.approx(1.0)
    greedy = np.where(task.rewards == task.rewards.max(axis=1, keepdims=True), 50.0, 0.0)
    assert expected_reward(task, greedy) == pytest.approx(task.rewards.max(axis=1).mean())
