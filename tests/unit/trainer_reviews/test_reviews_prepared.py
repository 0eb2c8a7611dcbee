"""Prepared data: a function of settings and seed, and of no use where they are half done, damaged or stale."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from reviewing import SMALL, dpo, prepared

from harness.protocol.job import Job, Step, StepError, silent
from harness.trainer.reviews import steps as reviews
from harness.trainer.reviews.evaluate import World
from harness.trainer.reviews.prepared import open_prepared, recall_reference, reference_key
from harness.trainer.reviews.settings import Settings
from harness.trainer.reviews.texts import Pairs

TINY: dict[str, Any] = {**SMALL, "warm_steps": 30, "prompts": 64, "questions": 32}


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return prepared(tmp_path_factory.mktemp("prepared"), **TINY)


@pytest.fixture
def copied(job: Job, tmp_path: Path) -> Job:
    """The same data, to be spoiled."""
    shutil.copytree(job.data, tmp_path / "data")
    (tmp_path / "out").mkdir()
    return replace(job, data=str(tmp_path / "data"), out=str(tmp_path / "out"))


def files(job: Job) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(Path(job.data).iterdir())}


@pytest.mark.rest
def test_twice_the_same_bytes_and_others_for_another_seed(job: Job, tmp_path: Path) -> None:
    assert files(prepared(tmp_path / "again", **TINY)) == files(job)
    other = files(prepared(tmp_path / "other", seed=1, **TINY))
    assert set(other) == set(files(job))
    assert all(other[name] != data for name, data in files(job).items())


def test_only_data_lie_there(job: Job) -> None:
    assert {Path(name).suffix for name in files(job)} == {".safetensors", ".json"}


def test_better_answers_are_chosen_and_near_ties_are_left_out(job: Job) -> None:
    found = open_prepared(job, Settings.of(job.settings))
    for pairs in (found.material.train, found.material.held):
        better, worse = (found.world.rewards(pairs.prompts, part) for part in (pairs.chosen, pairs.rejected))
        assert (better - worse >= 0.05 - 1e-12).all()
    assert len(found.material.train) < 64


def test_the_references_numbers_are_its_own(job: Job) -> None:
    found = open_prepared(job, Settings.of(job.settings))
    chosen, _ = found.recall("train")
    pairs = found.material.train
    model = found.world.reference()
    ids = torch.tensor([[*pairs.prompts[0], *pairs.chosen[0]]])
    with torch.no_grad():
        each = model(input_ids=ids).logits[0].log_softmax(dim=1)
    first = len(pairs.prompts[0])
    wanted = sum(float(each[i - 1, ids[0, i]]) for i in range(first, ids.shape[1]))
    assert float(chosen[0]) == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize(
    "name", ["about.json", "tokens.safetensors", "model.safetensors", "reference-train.safetensors"]
)
@pytest.mark.parametrize("how", ["missing", "cut", "flipped"])
def test_half_done_or_damaged_data_are_refused(copied: Job, name: str, how: str) -> None:
    file = Path(copied.data) / name
    data = bytearray(file.read_bytes())
    if how == "missing":
        file.unlink()
    elif how == "cut":
        file.write_bytes(data[: len(data) // 2])
    else:
        data[len(data) // 2] ^= 4
        file.write_bytes(data)
    with pytest.raises(StepError):
        reviews.train(copied, dpo(), silent)
    assert list(Path(copied.out).iterdir()) == []


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"settings": {**TINY, "answer": 24}}, {"settings": {**TINY, "tie": 0.1}}]
)
def test_data_of_another_seed_or_other_settings_are_refused(copied: Job, change: dict[str, Any]) -> None:
    with pytest.raises(StepError, match="other settings or another seed"):
        reviews.train(replace(copied, **change), dpo(), silent)


def test_settings_of_the_training_alone_share_the_data(copied: Job) -> None:
    told = reviews.train(replace(copied, settings={**TINY, "rate": 1e-4, "betas": (0.5,), "epochs": 1}), dpo(), silent)
    assert told["finite"] == 1.0


class Described(World):
    """A world that is its digests."""

    end = 0

    def __init__(self, **digests: str) -> None:
        self._digests = digests

    @property
    def digests(self) -> dict[str, str]:
        return self._digests

    def make(self, *_: object, **__: object) -> NoReturn:
        pytest.fail("a digest needs no material")

    def reference(self) -> NoReturn:
        pytest.fail("a digest needs no model")

    def rewards(self, *_: object, **__: object) -> NoReturn:
        pytest.fail("a digest needs no reward")

    def grammatical(self, *_: object, **__: object) -> NoReturn:
        pytest.fail("a digest needs no grammar")


def test_the_key_of_the_cache_covers_all_that_its_numbers_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = Pairs(((1, 2), (3,)), ((4,), (5, 6)), ((7,), (8,)))
    world = Described(weights="a", tokenizer="b")
    keys = [reference_key(pairs, world, "float32", "cpu")]
    assert keys[0] == reference_key(
        Pairs(*(tuple(p) for p in (pairs.prompts, pairs.chosen, pairs.rejected))), world, "float32", "cpu"
    )
    moved = Pairs(((1,), (2, 3)), pairs.chosen, pairs.rejected)  # the same tokens, cut elsewhere
    keys += [reference_key(p, world, "float32", "cpu") for p in (moved, pairs.take([1, 0]), pairs.take([0]))]
    keys += [
        reference_key(pairs, Described(**d), "float32", "cpu")
        for d in ({"weights": "c", "tokenizer": "b"}, {"weights": "a", "tokenizer": "c"})
    ]
    keys += [reference_key(pairs, world, "bfloat16", "cpu"), reference_key(pairs, world, "float32", "cuda")]
    monkeypatch.setattr("harness.trainer.reviews.prepared.LENGTHS", "mean")
    keys.append(reference_key(pairs, world, "float32", "cpu"))
    monkeypatch.undo()
    monkeypatch.setattr(torch, "__version__", "0")
    keys.append(reference_key(pairs, world, "float32", "cpu"))
    assert len(set(keys)) == len(keys)


def test_numbers_under_another_key_are_stale(job: Job) -> None:
    path = Path(job.data) / "reference-train.safetensors"
    found = open_prepared(job, Settings.of(job.settings))
    key = reference_key(found.material.train, found.world, "float32", "cpu")
    recall_reference(path, key, len(found.material.train))
    with pytest.raises(StepError, match="belong to other data"):
        recall_reference(path, key[::-1], len(found.material.train))
    with pytest.raises(StepError, match="damaged"):
        recall_reference(path, key, len(found.material.train) + 1)


def test_a_full_disk_is_told_and_leaves_nothing_to_be_taken_for_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    real = os.fsync

    def full(descriptor: int) -> None:
        done.append(descriptor)
        if len(done) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    job = Job("reviews", Step.PREPARE, 0, TINY, out=str(tmp_path / "data"))
    with pytest.raises(StepError) as told:
        reviews.prepare(job, silent)
    monkeypatch.undo()
    assert told.value.fault == "user"
    assert "room" in told.value.remedy
    assert not (tmp_path / "data" / "about.json").exists()
    with pytest.raises(StepError):
        open_prepared(replace(job, data=job.out), Settings.of(TINY))


def test_a_reference_that_knows_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def alike(*_: object) -> Any:
        import numpy as np

        return np.zeros(64)

    monkeypatch.setattr("harness.trainer.reviews.embedded.vader", alike)
    settings = {**TINY, "questions": 64, "warm_steps": 0}
    with pytest.raises(StepError, match="no two samples differ"):
        reviews.prepare(Job("reviews", Step.PREPARE, 0, settings, out=str(tmp_path)), silent)
