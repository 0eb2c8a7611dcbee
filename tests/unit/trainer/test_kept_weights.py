"""Weights that are kept: by content, within a budget, and never anything but what was trained."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from answering import Here
from places import Threads

from harness.core.errors import InfrastructureError, UserError
from harness.ladder.plan import RungPlan
from harness.protocol.job import Step
from harness.training.kept import digests
from harness.training.rung import TrainingService, keeps
from harness.training.weights import KeptWeights, address_of

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20


def left(folder: Path, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "policy.safetensors").write_bytes(content)
    return folder


def keep(kept: KeptWeights, folder: Path, key: str, content: bytes, budget: int = 100) -> bool:
    place = left(folder / key, content)
    return kept.keep(key, place, digests(place), f"training {key}", budget)


def test_what_is_kept_is_found_by_its_training_and_by_its_content(tmp_path: Path) -> None:
    kept = KeptWeights(tmp_path / "weights")
    assert kept.of_training("a") is None
    assert kept.listed() == []
    assert keep(kept, tmp_path, "a", b"12345")
    found = kept.of_training("a")
    assert found is not None
    assert (found / "policy.safetensors").read_bytes() == b"12345"
    assert found == kept.at(address_of(digests(tmp_path / "a")))
    (one,) = kept.listed()
    assert (one.about, one.size) == ("training a", 5)
    # It outlives the folder that it was trained in, and another training to the same weights is the same set.
    (tmp_path / "a" / "policy.safetensors").unlink()
    assert (found / "policy.safetensors").read_bytes() == b"12345"
    assert keep(kept, tmp_path, "b", b"12345")
    assert kept.of_training("b") == found
    assert len(kept.listed()) == 1


def test_the_longest_unused_go_first_and_what_does_not_fit_is_told(tmp_path: Path) -> None:
    kept = KeptWeights(tmp_path / "weights")
    for age, key in enumerate("abc"):
        assert keep(kept, tmp_path, key, key.encode() * 40, budget=120)
        (manifest,) = [p for p in (tmp_path / "weights").glob("*/manifest.json") if f"training {key}" in p.read_text()]
        os.utime(manifest, (1000 + age, 1000 + age))
    assert kept.of_training("a") is not None  # used: it is the youngest now
    assert keep(kept, tmp_path, "d", b"d" * 40, budget=120)
    assert [kept.of_training(key) is not None for key in "abcd"] == [True, False, True, True]
    assert not keep(kept, tmp_path, "e", b"e" * 200, budget=120)
    assert [kept.of_training(key) is not None for key in "acde"] == [True, True, True, False]


def test_what_a_disk_has_spoiled_is_not_there_and_is_kept_anew(tmp_path: Path) -> None:
    kept = KeptWeights(tmp_path / "weights")
    keep(kept, tmp_path, "a", b"12345")
    found = kept.of_training("a")
    assert found is not None
    (found / "policy.safetensors").unlink()
    (found / "policy.safetensors").write_bytes(b"12344")
    assert kept.of_training("a") is None
    assert kept.at(found.parent.name) is None
    assert keep(kept, tmp_path, "a", b"12345")
    assert kept.of_training("a") == found
    for spoiled in (b"", b"{}", b'{"files": {}, "size": "x", "about": 1}', b"[" * 10_000):
        (found.parent / "manifest.json").write_bytes(spoiled)
        assert kept.of_training("a") is None
        assert kept.listed() == []
    (tmp_path / "weights" / "by-training" / "a").write_text("nonsense", "utf-8")
    assert kept.of_training("a") is None


def test_a_manifest_under_another_address_is_not_believed(tmp_path: Path) -> None:
    kept = KeptWeights(tmp_path / "weights")
    keep(kept, tmp_path, "a", b"12345")
    (one,) = kept.listed()
    (tmp_path / "weights" / one.address).rename(tmp_path / "weights" / ("0" * 32))
    assert kept.at("0" * 32) is None


def test_one_is_removed_by_its_address(tmp_path: Path) -> None:
    kept = KeptWeights(tmp_path / "weights")
    keep(kept, tmp_path, "a", b"12345")
    (one,) = kept.listed()
    assert not kept.remove("1" * 32)
    assert kept.remove(one.address)
    assert kept.of_training("a") is None


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder, self.where = folder, Threads()
        (folder / "project").mkdir()
        self.trainings = TrainingService(folder / "project", self.where)

    def plan(self, **settings: object) -> RungPlan:
        every = {"steps": 20, "log": str(self.folder), **settings}
        return RungPlan("tiny", "tiny", "cpu", "dpo", tuple(every.items()), None, ask_a_person=False)

    def measure(self, plan: RungPlan) -> dict[str, dict[str, str]]:
        made: dict[str, dict[str, str]] = {}
        here = Here()
        self.trainings.measure(lambda _, __: contextlib.nullcontext(here), plan, 0, "one/two", made=made.update)
        return made


def test_a_rung_keeps_what_it_says(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    plan = bench.plan()
    assert keeps(plan) == 0
    bench.measure(plan)
    assert bench.trainings.weights.listed() == []
    plan = bench.plan(keep_gib=0.5)
    assert keeps(plan) == 512 * MIB
    made = bench.measure(plan)
    found = bench.trainings.weights.of_training(bench.trainings.key(plan, 0, "one/two"))
    assert found is not None
    assert digests(found) == made["weights"]
    assert address_of(made["weights"]) == found.parent.name
    assert not list((tmp_path / "project" / "training").glob("*/weights"))


def test_a_budget_that_one_model_does_not_fit_into_is_the_users_mistake(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with pytest.raises(UserError, match="more than its keep_gib") as raised:
        bench.measure(bench.plan(keep_gib=1e-9))
    assert raised.value.remedy == "raise keep_gib"


@pytest.mark.parametrize("value", [0, -1.0, True, "much", float("inf")])
def test_a_budget_that_makes_no_sense_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(UserError, match="keep_gib"):
        keeps(Bench(tmp_path).plan(keep_gib=value))


def test_answers_are_made_once_for_the_same_weights_and_questions(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    plan = bench.plan(keep_gib=0.5)
    bench.measure(plan)
    found = bench.trainings.weights.of_training(bench.trainings.key(plan, 0, "one/two"))
    bench.where.steps.clear()
    first = bench.trainings.answer(plan, 0, b'{"id": "a"}\n', found)
    assert first == bench.trainings.answer(plan, 0, b'{"id": "a"}\n', found)
    assert bench.where.steps == [Step.ANSWER]
    start = bench.trainings.answer(plan, 0, b'{"id": "a"}\n', None)
    other = bench.trainings.answer(plan, 0, b'{"id": "b"}\n', found)
    seed = replace(bench.trainings).answer(plan, 1, b'{"id": "a"}\n', found)
    assert bench.where.steps == [Step.ANSWER] * 4
    assert len({first, start, other, seed}) == 4


def test_weights_that_are_gone_or_others_answer_nothing(tmp_path: Path) -> None:
    """What was removed to make room must not become the model before its training, whose answers are there."""
    bench = Bench(tmp_path)
    plan = bench.plan(keep_gib=0.5)
    bench.measure(plan)
    found = bench.trainings.weights.of_training(bench.trainings.key(plan, 0, "one/two"))
    assert found is not None
    bench.trainings.answer(plan, 0, b'{"id": "a"}\n', None)
    bench.where.steps.clear()
    (found / "policy.safetensors").unlink()
    with pytest.raises(InfrastructureError, match="not there any more"):
        bench.trainings.answer(plan, 0, b'{"id": "a"}\n', found)
    (found / "policy.safetensors").write_bytes(b"others")
    with pytest.raises(InfrastructureError, match="not there any more"):
        bench.trainings.answer(plan, 0, b'{"id": "a"}\n', found)
    assert bench.trainings.weights.remove(found.parent.name)
    with pytest.raises(InfrastructureError, match="not there any more"):
        bench.trainings.answer(plan, 0, b'{"id": "a"}\n', found)
    assert bench.where.steps == []


def test_a_link_among_what_is_kept_is_nobodys_weights(tmp_path: Path) -> None:
    kept = KeptWeights(tmp_path / "weights")
    keep(kept, tmp_path, "a", b"12345")
    (one,) = kept.listed()
    (tmp_path / "weights" / "0link").symlink_to(tmp_path / "weights" / one.address)
    assert [each.address for each in kept.listed()] == [one.address]
    assert not kept.remove("0link")
    assert keep(kept, tmp_path, "b", b"6" * 98, budget=100)
    assert kept.of_training("a") is None
