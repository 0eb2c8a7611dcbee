"""Rounds from a plan to metrics: each stage a step of its own, killed anywhere and gone on with, and bad input."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from answering import DPO, Here
from places import Threads

from harness.core.errors import StoppedError, UserError
from harness.ladder.plan import RungPlan
from harness.protocol.batch_types import PairBatch
from harness.protocol.job import TIMES, Progress, Step
from harness.trainer.iterate.rounds import read_pairs
from harness.trainer.iterate.settings import Settings
from harness.trainer.reviews.embedded import Words
from harness.training.rung import TrainingService

torch.set_num_threads(1)
torch.set_flush_denormal(True)

#: Two rounds of a second's work.
SMALL: dict[str, Any] = {
    "corpus": 300,
    "width": 32,
    "warm_steps": 60,
    "warm_rate": 0.01,
    "rounds": 2,
    "prompts": 48,
    "questions": 24,
    "batch": 8,
    "rate": 2e-3,
    "temperature": 1.0,
    "answer": 40,
    "keep": 1,
}
WHOLE = [Step.PREPARE, Step.SAMPLE, Step.TRAIN, Step.SAMPLE, Step.TRAIN, Step.SCORE]


class Bench:
    """A project's folder, and a candidate that answers here."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.where = folder, Threads()
        folder.mkdir(exist_ok=True)
        self.trainings = TrainingService(folder, self.where, keep=True)

    def measure(self, here: Any = None, say: Any = lambda *_: None, name: str = "one", **settings: Any) -> Any:
        served = Here() if here is None else here
        plan = RungPlan("r", "iterate", "cpu", "dpo", tuple({**SMALL, **settings}.items()), None, ask_a_person=False)
        return self.trainings.measure(lambda *_: contextlib.nullcontext(served), plan, 0, name, say=say)


def without_times(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name not in TIMES}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, dict[str, float]]:
    bench = Bench(tmp_path_factory.mktemp("iterate") / "project")
    return bench, bench.measure()


@pytest.fixture
def bench(done: tuple[Bench, dict[str, float]], tmp_path: Path) -> Bench:
    """A project whose data are prepared, the answers of the first round among them."""
    shutil.copytree(done[0].folder / "data", tmp_path / "project" / "data")
    return Bench(tmp_path / "project")


def test_each_stage_of_each_round_is_a_step_of_its_own(done: tuple[Bench, dict[str, float]]) -> None:
    made, metrics = done
    assert made.where.steps == WHOLE
    declared = Settings.of(SMALL).declared().metrics
    assert declared.keys() <= metrics.keys()
    for name in ("reward", "reward_at_equal_length", "length", "length_growth", "kl", "agreement", "pairs"):
        assert metrics[name] == metrics[f"{name}@2"], "the last round stands for all"
        low, high = declared[name]
        assert all(low <= metrics[f"{name}@{number}"] <= high for number in (1, 2))
    assert (metrics["length_growth@0"], metrics["rounds"]) == (1.0, 2.0)
    assert metrics["kl@0"] == pytest.approx(0.0, abs=1e-6)
    assert 0.0 < metrics["kl@1"] < metrics["kl@2"]
    assert metrics["reward@2"] > metrics["reward@0"]
    assert not any(name.startswith("seconds_per_step@") for name in metrics), "of the clock, and no point of a curve"


def test_the_policy_of_a_round_is_the_reference_of_the_next(done: tuple[Bench, dict[str, float]], bench: Bench) -> None:
    """The first batch of each round has margins of 0: policy and reference are the same."""
    begins = [(job.step, job.round, Path(job.weights).name) for job in done[0].where.jobs if job.round]
    prepared, first = "files", "round-1"
    assert begins == [
        (Step.SAMPLE, 1, prepared),
        (Step.TRAIN, 1, prepared),
        (Step.SAMPLE, 2, first),
        (Step.TRAIN, 2, first),
    ]
    here = Here()
    bench.measure(here)
    starts = [batch for batch in here.asked if isinstance(batch, PairBatch) and batch.progress == 0.0]
    for start in starts:
        rho = (start.policy_chosen - start.policy_rejected) - (start.reference_chosen - start.reference_rejected)
        assert abs(rho).max() < 1e-3
    # Some batches are asked twice, to see that the candidate answers alike.
    assert len({start.reference_chosen.tobytes() for start in starts}) == 2, "another reference, and its own answers"


@pytest.mark.parametrize(
    "stage",
    [pytest.param(n, id=f"{n}-{WHOLE[n]}", marks=() if n == 4 else pytest.mark.rest) for n in range(1, len(WHOLE))],
)
def test_killed_at_any_stage_it_goes_on_there_and_to_the_same_metrics(
    done: tuple[Bench, dict[str, float]], bench: Bench, stage: int
) -> None:
    skipped = 2
    if stage == 1:  # the answers of the first round are kept for all candidates
        (pairs,) = bench.folder.glob("data/*/files/pairs.safetensors")
        shutil.rmtree(pairs.parent.parent)
        skipped = 1
    dead: list[bool] = []

    def say(step: Step, at: Progress) -> None:
        there = len(bench.where.steps) == stage + 1 - skipped
        dead.append(there and (step is not Step.TRAIN or at.done > 0))

    bench.trainings = replace(bench.trainings, stopping=lambda: any(dead))
    with pytest.raises(StoppedError):
        bench.measure(say=say)
    bench.trainings = replace(bench.trainings, stopping=lambda: False)
    bench.where.steps.clear()
    assert without_times(bench.measure()) == without_times(done[1])
    assert bench.where.steps == WHOLE[stage:], "what was done is not done again"


def test_all_candidates_share_the_first_rounds_answers(bench: Bench) -> None:
    bench.measure(Here(DPO.replace("beta * rho", "0.5 * beta * rho")), name="two")
    assert bench.where.steps == WHOLE[2:]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"tie": 0.99, "taste": 0.0}, "the ranker ties on .* instructions: round 1 gives 0 pairs"),
        ({"temperature": 0.01, "answers": 2}, "all answers are equal, to"),
    ],
)
def test_what_nobody_can_learn_from_is_the_users_before_anything_is_trained(
    bench: Bench, settings: dict[str, Any], why: str
) -> None:
    asked = Here()
    for _ in range(2):  # what the first attempt left is no result
        with pytest.raises(UserError, match=why) as told:
            bench.measure(asked, **settings)
    assert told.value.remedy
    assert Step.TRAIN not in bench.where.steps
    assert asked.asked == []
    assert not list(bench.folder.glob("training/*/trained*"))


def test_a_loss_that_makes_all_answers_equal_ends_the_rounds(bench: Bench) -> None:
    """That is its own doing: no fault of the user's, but metrics that a rail stops."""
    metrics = bench.measure(rate=0.5, rounds=3, keep=100)
    assert (metrics["finite"], metrics["rounds"]) == (1.0, 1.0)
    assert "pairs@2" not in metrics
    assert bench.where.steps == [Step.PREPARE, Step.SAMPLE, Step.TRAIN, Step.SAMPLE, Step.SCORE]


def test_a_loss_that_is_not_finite_ends_the_rounds(bench: Bench) -> None:
    metrics = bench.measure(Here(DPO.replace("-F.logsigmoid(beta * rho)", "rho * float('nan')")))
    assert metrics["finite"] == metrics["rounds"] == metrics["reward"] == 0.0
    assert math.isinf(metrics["kl"])
    assert metrics["reward@0"] > 0.0
    assert Step.SAMPLE not in bench.where.steps[1:], "no second round"


@pytest.mark.rest
def test_weights_of_a_round_that_were_exchanged_are_trained_again_with_all_after_them(bench: Bench) -> None:
    first = bench.measure()
    (file,) = bench.folder.glob("training/*/weights/round-1/model.safetensors")
    file.write_bytes(file.read_bytes()[:-4] + b"\0\0\0\0")
    bench.where.steps.clear()
    assert without_times(bench.measure()) == without_times(first)
    assert bench.where.steps == [Step.TRAIN, Step.SCORE], "the same bits: the second round's stand"


def test_instructions_come_from_the_users_file(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "project")
    prompts = [f"we saw this {genre} {when} at home ." for genre in ("western", "film") for when in ("today", "twice")]
    (tmp_path / "asked.jsonl").write_text("".join(json.dumps({"prompt": p}) + "\n" for p in prompts * 10))
    (bench.folder / "inputs.toml").write_text(f'instructions = "{tmp_path / "asked.jsonl"}"\n')
    metrics = bench.measure(instructions="file", rounds=1)
    assert 0 < metrics["pairs"] <= 40
    (file,) = bench.folder.glob("data/*/files/pairs.safetensors")
    assert {Words().decode(prompt) for prompt in read_pairs(file.parent)[0].prompts} <= set(prompts)


def test_reviews_that_the_model_has_no_room_for_are_the_users(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="room for 36") as told:
        Bench(tmp_path / "project").measure(answer=20)
    assert "raise `answer`" in told.value.remedy


@pytest.mark.rest
def test_extrapolation_goes_on_the_way_that_the_training_took(bench: Bench) -> None:
    plain = bench.measure(rounds=1, name="plain")
    further = bench.measure(rounds=1, name="further", extrapolate=0.5)
    assert further["kl"] > plain["kl"]
