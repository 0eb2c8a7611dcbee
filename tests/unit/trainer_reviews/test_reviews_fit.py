"""Training: it learns what the loss says, tells what is not finite, and goes on after a kill to the same bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from reviewing import Loss, dpo, prepared, trained
from safetensors.torch import load_file
from torch.nn.functional import logsigmoid, softplus

from harness.ladder.curves import curves
from harness.protocol.job import Job, Progress, Step, StepError, silent
from harness.trainer.reviews import steps as reviews
from harness.trainer.reviews.fit import Kept, _backward, schedule, spacing
from harness.trainer.reviews.prepared import open_prepared
from harness.trainer.reviews.settings import Settings
from harness.trainer.reviews.steps import weights_path

if TYPE_CHECKING:
    from pathlib import Path

TOTAL_STEPS = 18


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return prepared(tmp_path_factory.mktemp("reviews"))


def changed(job: Job, out: Path, **settings: Any) -> Job:
    out.mkdir(parents=True, exist_ok=True)
    return Job("reviews", Step.TRAIN, job.seed, {**job.settings, **settings}, out=str(out), data=job.data)


def weights(out: Path, number: int = 0) -> bytes:
    return weights_path(str(out), number).read_bytes()


def test_a_preference_is_learned_and_its_negation_unlearned(job: Job, tmp_path: Path) -> None:
    told, good = trained(job, dpo(), tmp_path / "dpo")
    _, bad = trained(job, Loss(softplus), tmp_path / "negated")
    unmoved, nothing = trained(job, Loss(lambda x: 0 * x), tmp_path / "constant")
    assert bad["reward_gain"] < -0.05
    assert nothing["reward_gain"] == 0.0
    assert good["reward_gain"] > 0.05
    assert bad["accuracy"] < 0.4
    assert good["accuracy"] > 0.6
    assert nothing["kl"] == 0.0 < good["kl"] < 30.0
    assert nothing["length_ratio"] == 1.0
    assert told["finite"] == 1.0
    assert told["stable_steps"] == told["steps"] == TOTAL_STEPS
    rises, stays = curves(told)["reward"], curves(unmoved)["reward"]
    assert [step for step, _ in rises] == [2, 4, 6, 8, 10, 12, 14, 16, 18]
    assert rises[-1][1] > stays[-1][1] + 0.05
    assert len({value for _, value in stays}) == 1, "the same questions with the same noise"


def test_the_loss_gets_lengths_progress_and_full_batches(job: Job, tmp_path: Path) -> None:
    loss = Loss(lambda x: softplus(-x), smallest=48)
    told, _ = trained(job, loss, tmp_path)
    assert {call["pairs"] for call in loss.calls} == {48}
    assert [call["progress"] for call in loss.calls] == [i / told["steps"] for i in range(len(loss.calls))]
    for call in loss.calls:
        for name in ("chosen_lengths", "rejected_lengths"):
            assert call[name].shape == (48,)
            assert call[name].min() >= 2
    assert loss.calls[0]["rho"].abs().max() < 1e-3  # the policy begins as the reference: its numbers are not stale


def test_a_loss_that_needs_more_pairs_than_there_are_is_told(job: Job, tmp_path: Path) -> None:
    with pytest.raises(StepError, match="a batch takes 5000 pairs") as told:
        reviews.train(changed(job, tmp_path), Loss(softplus, smallest=5000), silent)
    assert told.value.fault == "user"


@pytest.mark.parametrize("where", ["value", "gradient"])
def test_what_is_not_finite_ends_the_training_and_is_told_and_scored(job: Job, tmp_path: Path, where: str) -> None:
    calls = []

    def breaks(x: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        if len(calls) <= 5:
            return softplus(-x)
        if where == "value":
            return x * float("nan")
        return torch.where(x > 1e9, x, 0.0 * torch.sqrt(0.0 * x))  # finite, with a slope of 0 * inf

    loss = Loss(breaks)
    told, scored = trained(job, loss, tmp_path)
    assert told["finite"] == 0.0
    assert told["stable_steps"] == 5
    assert [step for step, _ in curves(told)["reward"]] == [2, 4], "the curve ends where the training did"
    assert told["lowest_margin"] == pytest.approx(min(float(call["rho"].min()) for call in loss.calls), abs=1e-5)
    assert len(calls) == 6
    assert [p.name for p in tmp_path.iterdir()] == ["policy-0.safetensors"]
    assert set(load_file(tmp_path / "policy-0.safetensors")) == {"steps"}
    assert scored["kl"] == float("inf")
    assert scored["reward"] == 0.0
    assert scored["reward_gain"] < 0.0
    assert scored["grammar"] == 0.0


def test_weights_that_are_missing_or_damaged_are_no_result(job: Job, tmp_path: Path) -> None:
    scoring = Job("reviews", Step.SCORE, job.seed, job.settings, data=job.data, weights=str(tmp_path))
    with pytest.raises(StepError, match="missing or damaged"):
        reviews.score(scoring, silent)
    (tmp_path / "policy-0.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(StepError, match="missing or damaged"):
        reviews.score(scoring, silent)


@pytest.mark.rest
def test_several_betas_are_trained_and_told_one_by_one(job: Job, tmp_path: Path) -> None:
    loss = dpo()
    _, scored = trained(changed(job, tmp_path, betas=(0.5, 2.0)), loss, tmp_path)
    assert {call["beta"] for call in loss.calls} == {0.5, 2.0}
    assert scored["reward"] == pytest.approx((scored["reward_at_0.5"] + scored["reward_at_2"]) / 2)
    assert scored["kl"] == max(scored["kl_at_0.5"], scored["kl_at_2"])
    assert scored["grammar"] == min(scored["grammar_at_0.5"], scored["grammar_at_2"])
    assert scored["best"] >= scored["reward"] >= scored["worst"]


@pytest.mark.rest
def test_the_same_seed_gives_the_same_weights(job: Job, tmp_path: Path) -> None:
    for name in ("one", "two"):
        reviews.train(changed(job, tmp_path / name), dpo(), silent)
    assert weights(tmp_path / "one") == weights(tmp_path / "two")


class KilledError(Exception):
    """Stands for a kill: nothing of the step is done after it."""


@pytest.mark.rest
@pytest.mark.parametrize("at", [1, 5, 14])
def test_a_killed_training_goes_on_to_the_same_weights(job: Job, tmp_path: Path, at: int) -> None:
    told = reviews.train(changed(job, tmp_path / "whole"), dpo(), silent)
    calls: list[float] = []

    def killed(x: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        if len(calls) == at:
            raise KilledError
        return softplus(-x)

    with pytest.raises(KilledError):
        reviews.train(changed(job, tmp_path / "killed"), Loss(killed), silent)
    assert not weights_path(str(tmp_path / "killed"), 0).exists()
    (tmp_path / "killed" / ".new-half").write_bytes(b"half a file")
    again = dpo()
    after = reviews.train(changed(job, tmp_path / "killed"), again, silent)
    assert after["lowest_margin"] == told["lowest_margin"] < 0.0
    assert curves(after) == curves(told)
    assert len(again.calls) == TOTAL_STEPS - (at - 1) // 4 * 4  # it did not begin anew
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")
    assert [p.name for p in (tmp_path / "killed").iterdir()] == ["policy-0.safetensors"]


def test_a_checkpoint_that_is_damaged_or_of_another_training_is_refused(job: Job, tmp_path: Path) -> None:
    calls: list[float] = []

    def later(x: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 6:
            raise KilledError
        return softplus(-x)

    with pytest.raises(KilledError):
        reviews.train(changed(job, tmp_path), Loss(later), silent)
    (file,) = tmp_path.iterdir()
    with pytest.raises(StepError, match="another training"):
        reviews.train(changed(job, tmp_path, rate=3e-3), dpo(), silent)
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(data)
    with pytest.raises(StepError, match="damaged"):
        reviews.train(changed(job, tmp_path), dpo(), silent)


def test_the_model_may_see_parts_where_the_loss_sees_the_whole_batch(job: Job) -> None:
    def batchwise(x: torch.Tensor) -> torch.Tensor:
        return softplus(-(x - 0.5 * x.mean()))

    found = open_prepared(job, Settings.of(job.settings))
    kept = Kept(found.material.train, *found.recall("train"))
    slopes = []
    for micro in (0, 5, 16):
        policy, loss = found.world.reference(), Loss(batchwise)
        with torch.no_grad():  # away from the reference, where the slopes of a pair depend on the others
            policy.transformer.wte.weight.mul_(1.1)
        settings = Settings.of({**job.settings, "micro": micro})
        _backward(policy, kept, torch.arange(16), loss, settings, 2.0, progress=0.0)
        assert [call["pairs"] for call in loss.calls] == [16]
        slopes.append(torch.cat([p.grad.flatten() for p in policy.parameters()]))
    assert slopes[0].norm() > 0.01
    for other in slopes[1:]:
        assert (other - slopes[0]).norm() < 1e-4 * slopes[0].norm()


@pytest.mark.rest
def test_progress_is_told_over_all_betas_with_a_curve(job: Job, tmp_path: Path) -> None:
    told: list[Progress] = []
    reviews.train(changed(job, tmp_path, betas=(1.0, 2.0)), dpo(), told.append)
    done = [p.done for p in told]
    assert done == sorted(done)
    assert done[-1] == told[-1].total == 2 * TOTAL_STEPS
    assert all({"loss", "accuracy", "margin"} <= set(p.curve) for p in told)


def test_seeds_of_nearly_as_many_steps_have_points_in_common() -> None:
    assert [spacing(total) for total in (1, 9, 10, 24, 25, 54, 56, 99, 100, 400, 700, 10_000)] == [
        *(1, 1, 2, 2, 5, 10, 10, 10, 20, 50, 100, 2000)
    ]
    assert all(5 <= total // spacing(total) <= 12 for total in range(5, 3000))


def test_the_rate_rises_and_falls() -> None:
    rates = [schedule(step, 100, 0.1) for step in range(100)]
    assert rates.index(max(rates)) in {9, 10}
    assert rates[0] == 0.1
    assert rates[-1] < 0.01
    assert schedule(0, 100, 0.0) == 1.0


def discopop(x: torch.Tensor) -> torch.Tensor:
    """As in harness/losses/lrml.py, of x = beta rho."""
    gate = torch.sigmoid(x / 0.05)
    return (1 - gate) * softplus(-x) + gate * torch.exp(-x)


def test_discopop_overflows_where_the_stability_map_says_and_dpo_does_not(job: Job, tmp_path: Path) -> None:
    settings = {"betas": (5.0,), "rate": 0.02}
    told = reviews.train(changed(job, tmp_path / "lrml", **settings), Loss(discopop), silent)
    assert told["finite"] == 0.0
    assert 0 < told["stable_steps"] < TOTAL_STEPS
    assert told["lowest_margin"] <= -88.72 / 5  # where exp(-beta rho) leaves float32
    assert reviews.train(changed(job, tmp_path / "dpo", **settings), dpo(), silent)["finite"] == 1.0


def test_clipping_does_not_mend_what_is_not_finite_and_a_guard_does(job: Job, tmp_path: Path) -> None:
    """The paper's open question: a norm that is NaN is clipped to NaN."""
    settings = {"betas": (5.0,), "rate": 0.02}
    for clip in (0.0, 1.0, 1e-3):
        told = reviews.train(changed(job, tmp_path / f"{clip}", **settings, clip=clip), Loss(discopop), silent)
        assert told["finite"] == 0.0, clip
    guarded = Loss(lambda x: softplus(-x) * torch.sigmoid(-x / 0.05) + torch.exp(logsigmoid(x / 0.05) - x))
    told = reviews.train(changed(job, tmp_path / "guarded", **settings, clip=0.0), guarded, silent)
    assert told["finite"] == 1.0
    assert told["lowest_margin"] <= -88.72 / 5, "it met what the other one was lost at"


def test_a_gradient_that_is_not_clipped_is_used_as_it_is(job: Job, tmp_path: Path) -> None:
    def left(**settings: Any) -> bytes:
        out = tmp_path / str(len(list(tmp_path.iterdir())))
        trained(changed(job, out, **settings), Loss(lambda x: 1e3 * softplus(-x)), out)
        return weights(out)

    unclipped = left(clip=0.0)
    assert unclipped == left(clip=1e6), "no gradient here is so large"
    assert unclipped != left(clip=1.0)
