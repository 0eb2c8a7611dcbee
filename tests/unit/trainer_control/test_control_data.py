"""The data of the control task: settings, preference sets, the same bytes twice, damage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from control_doubles import SMALL, job

from harness.protocol.job import Job, Step, StepError, silent
from harness.trainer.control import data, kept
from harness.trainer.control import steps as control
from harness.trainer.control.policy import Policy, sampler
from harness.trainer.control.settings import Settings

TINY = {**SMALL, "prompts": 12, "segment": 4, "horizon": 4, "clone_steps": 3, "evaluations": 16}


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompst": 3},
        {"prompts": 0},
        {"prompts": 1.5},
        {"prompts": "many"},
        {"betas": (0.1, -1.0)},
        {"betas": (0.1, 0.1)},
        {"betas": ()},
        {"sets": ("on_policy", "clean")},
        {"sets": "noisy,noisy"},
        {"flipped": 1.2},
        {"bins": 1},
        {"rate": float("nan")},
        {"environment": 3},
        {"steps": True},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(StepError) as caught:
        Settings.of(wrong)
    assert caught.value.fault == "user"


def test_settings_come_as_files_write_them() -> None:
    read = Settings.of({"sets": "noisy, expert", "betas": 1, "prompts": 20.0})
    assert (read.sets, read.betas, read.prompts) == (("noisy", "expert"), (1.0,), 20)
    assert type(read.prompts) is int
    assert type(read.betas[0]) is float


def _sets(seed: int, flipped: float = 0.3) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    returns = np.random.Generator(np.random.PCG64(seed)).normal(size=(5, 4000))
    returns[1, 7] = returns[0, 7]
    return returns, data.preference_sets(returns, np.ones(returns.shape, dtype=bool), flipped, seed)


def test_pairs_are_ranked_by_their_true_returns() -> None:
    returns, sets = _sets(1)
    for name in ("on_policy", "mixed"):
        start, chosen, rejected = sets[name].T
        assert (returns[chosen, start] > returns[rejected, start]).all()
    assert set(sets["on_policy"][:, 1:].ravel()) == {0, 1}
    assert 7 not in sets["on_policy"][:, 0]  # a tie
    assert set(sets["mixed"][:, 1]) == set(range(5))
    assert (sets["mixed"][:, 1] != sets["mixed"][:, 2]).all()
    assert (sets["expert"][:, 1:] == [4, 0]).all()


def test_the_noisy_set_is_the_clean_one_with_labels_turned_round() -> None:
    _, sets = _sets(2)
    turned = (sets["noisy"] != sets["on_policy"]).any(axis=1)
    assert 0.27 < turned.mean() < 0.33
    assert np.array_equal(sets["noisy"][turned][:, [0, 2, 1]], sets["on_policy"][turned])
    _, clean = _sets(2, flipped=0.0)
    assert np.array_equal(clean["noisy"], clean["on_policy"])


def test_a_trajectory_that_never_began_is_in_no_pair() -> None:
    returns = np.arange(50.0).reshape(5, 10)
    usable = np.ones((5, 10), dtype=bool)
    usable[0, 3] = False
    for name, found in data.preference_sets(returns, usable, 0.3, 0).items():
        assert not ((found[:, 0] == 3) & (found[:, 1:] == 0).any(axis=1)).any(), name


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("one", 4), ("two", 4), ("other", 5)):
        control.prepare(job(Step.PREPARE, TINY, seed, out=tmp_path / name), silent)
    files = [p.name for p in sorted((tmp_path / "one").iterdir())]
    assert files == ["about.json", "data.safetensors", "picture.json", "reference.safetensors"]
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    differ = {n for n in files if (tmp_path / "one" / n).read_bytes() != (tmp_path / "other" / n).read_bytes()}
    # The reference is the same for all seeds, and so is what scores are measured by.
    assert differ == {"about.json", "data.safetensors", "picture.json"}
    about = [json.loads((tmp_path / n / "about.json").read_text()) for n in ("one", "other")]
    assert about[0]["scale"] == about[1]["scale"]


def _copy(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small, tmp_path / "copy"))


@pytest.mark.parametrize("name", ["data.safetensors", "reference.safetensors", "picture.json"])
def test_one_turned_bit_is_noticed(small: Path, tmp_path: Path, name: str) -> None:
    folder = _copy(small, tmp_path)
    content = bytearray((folder / name).read_bytes())
    content[-3] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(StepError, match=name):
        data.read(folder, Settings.of(SMALL), 0)


@pytest.mark.parametrize("gone", ["about.json", "data.safetensors"])
def test_a_part_of_the_data_is_not_taken_for_them(small: Path, tmp_path: Path, gone: str) -> None:
    folder = _copy(small, tmp_path)
    (folder / gone).unlink()
    with pytest.raises(StepError):
        data.read(folder, Settings.of(SMALL), 0)


def test_data_of_other_settings_are_refused_and_training_is_no_part_of_them(small: Path) -> None:
    with pytest.raises(StepError, match="other settings"):
        data.read(small, Settings.of({**SMALL, "noise": 0.5}), 0)
    with pytest.raises(StepError, match="another seed"):
        data.read(small, Settings.of(SMALL), 1)
    data.read(small, Settings.of({**SMALL, "steps": 77, "betas": (2.0,)}), 0)


def test_scores_are_scaled_by_reference_and_expert(small: Path) -> None:
    read = data.read(small, Settings.of(SMALL), 0)
    assert read.score(read.reference) == 0.0
    assert read.score(read.best) == 1.0
    assert read.score(read.nothing) < -0.5


def test_the_policys_probabilities_are_probabilities(small: Path) -> None:
    read = data.read(small, Settings.of(SMALL), 0)
    seen = read.seen[0, :3]
    each = read.policy(seen).exp()
    assert torch.allclose(each.sum(-1), torch.ones(each.shape[:-1]), atol=1e-5)
    by_hand = read.policy(seen).gather(-1, read.bins[0, :3].long().unsqueeze(-1)).sum((-1, -2, -3))
    found = read.policy.of_trajectories(seen, read.bins[0, :3], read.alive[0, :3])
    assert torch.allclose(by_hand, found, atol=1e-4)
    assert torch.allclose(found, read.reference_logps[0, :3], atol=1e-4)
    half = read.alive[0, :3].clone()
    half[:, 10:] = False
    assert (read.policy.of_trajectories(seen, read.bins[0, :3], half) > found).all()


def test_actions_are_drawn_as_the_policy_says() -> None:
    torch.manual_seed(3)
    policy = Policy(4, 2, 5, 8)
    seen = np.repeat(np.array([[0.3, -1.0, 2.0, 0.5]]), 40_000, axis=0)
    noise = np.random.Generator(np.random.PCG64(0)).random((len(seen), 2, 5))
    drawn = sampler(policy)(seen, noise)
    wanted = policy(torch.tensor(seen[0], dtype=torch.float32)).exp().detach().numpy()
    for dimension in range(2):
        shares = np.bincount(drawn[:, dimension], minlength=5) / len(seen)
        assert np.abs(shares - wanted[dimension]).max() < 0.015


def test_no_room_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StepError, match="No space left") as caught:
        kept.write(tmp_path / "file", b"content")
    assert caught.value.fault == "user"
    assert not (tmp_path / "file").exists()


def test_an_environment_by_settings_is_prepared(tmp_path: Path) -> None:
    settings = {**TINY, "environment": "InvertedPendulum-v5", "bound": 3.0, "search_steps": 6, "horizon": 30}
    settings |= {"segment": 6, "lead_in": 4}
    made = control.prepare(Job("control", Step.PREPARE, 0, settings, out=str(tmp_path)), silent)
    assert made["best"] > made["reference"]
    read = data.read(tmp_path, Settings.of(settings), 0)
    assert read.seen.shape == (5, 12, 6, 4)
