"""Prepare, train, score: from a plan to metrics; killed, stopped, misbehaving and gone on with."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from answering import DPO, Here
from places import Threads

from harness.core.errors import CandidateFault, InfrastructureError, SandboxLostError, StoppedError, UserError
from harness.ladder.plan import RungPlan
from harness.protocol.job import Progress, Step
from harness.trainer.tasks import data_settings
from harness.training import rung
from harness.training.kept import digest_of_input
from harness.training.left_behind import whole_lines
from harness.training.rung import TrainingService, _read_done, _write_done

if TYPE_CHECKING:
    from pathlib import Path

    from harness.protocol.batch import Answer, Batch


class Bench:
    """A folder, a plan of the tiny task, and a candidate that answers here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.where = Threads()
        self.trainings = TrainingService(folder / "project", self.where, keep=True)
        (folder / "project").mkdir()

    def plan(self, **settings: object) -> RungPlan:
        every = {"steps": 20, "log": str(self.folder), **settings}
        return RungPlan("tiny", "tiny", "cpu", "dpo", tuple(every.items()), None, ask_a_person=False)

    def measure(self, *, here: Any = None, name: str = "one", seed: int = 0, **settings: object) -> dict[str, float]:
        say: Any = settings.pop("say_to", lambda _, __: None)
        more: dict[str, Any] = {key: settings.pop(key) for key in ("sampled", "made") if key in settings}
        more["say"] = say
        served = Here() if here is None else here
        return self.trainings.measure(
            lambda _, __: contextlib.nullcontext(served), self.plan(**settings), seed, name, **more
        )

    def weights(self) -> bytes:
        (found,) = self.folder.glob("project/training/*/weights/policy.safetensors")
        return found.read_bytes()

    def forget(self) -> None:
        shutil.rmtree(self.folder / "project" / "training")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_answers_for_a_judge_outlive_the_weights(bench: Bench) -> None:
    bench.trainings = replace(bench.trainings, keep=False)
    kept: list[bytes] = []
    bench.measure(sampled=kept.append)
    assert kept == []
    bench.measure(sampled=kept.append, samples='{"answer": "a"}\n{"answer": "cut')
    assert kept == [b'{"answer": "a"}\n']
    assert not list(bench.folder.glob("project/training/*/score"))


def test_only_whole_lines_of_a_plain_file_are_kept(tmp_path: Path) -> None:
    plain, link, pipe = tmp_path / "plain", tmp_path / "link", tmp_path / "pipe"
    plain.write_bytes(b"one\ntwo\nthree\n")
    link.symlink_to(plain)
    os.mkfifo(pipe)
    assert whole_lines(plain) == b"one\ntwo\nthree\n"
    assert whole_lines(plain, 9) == b"one\ntwo\n"
    assert whole_lines(plain, 2) == whole_lines(link) == whole_lines(pipe) == whole_lines(tmp_path / "none") == b""


def test_from_a_plan_to_metrics(bench: Bench) -> None:
    seen: list[tuple[Step, int]] = []
    metrics = bench.measure(say_to=lambda step, progress: seen.append((step, progress.done)))
    assert metrics["finite"] == 1.0
    assert metrics["accuracy"] > 0.9
    assert bench.where.steps == [Step.PREPARE, Step.TRAIN, Step.SCORE]
    assert {step for step, _ in seen} == set(bench.where.steps)
    assert (Step.TRAIN, 20) in seen


def test_the_same_again_gives_the_same_bits_and_prepares_nothing(bench: Bench) -> None:
    first = bench.measure()
    weights = bench.weights()
    bench.forget()
    assert bench.measure() == first
    assert bench.weights() == weights
    bench.forget()
    bench.measure(seed=1, name="other")
    assert bench.weights() != weights
    assert (bench.folder / "prepared").read_text() == "0\n1\n"


def test_spoiled_data_is_made_again(bench: Bench) -> None:
    first = bench.measure()
    (file,) = bench.folder.glob("project/data/*/files/data.safetensors")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    bench.forget()
    assert bench.measure() == first
    assert (bench.folder / "prepared").read_text() == "0\n0\n"


def test_data_belongs_to_its_settings(bench: Bench) -> None:
    bench.measure()
    bench.measure(steps=21)
    assert (bench.folder / "prepared").read_text() == "0\n0\n"


def test_data_are_made_once_for_settings_that_they_do_not_depend_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out = {"steps"}
    monkeypatch.setattr(rung, "data_settings", lambda _, given: {k: v for k, v in given.items() if k not in left_out})
    bench.measure()
    bench.measure(steps=21)
    assert (bench.folder / "prepared").read_text() == "0\n"
    bench.measure(steps=22, seed=1)
    assert (bench.folder / "prepared").read_text() == "0\n1\n"


def test_data_depend_on_no_setting_of_the_training_alone() -> None:
    given: dict[str, Any] = {"corpus": 100, "betas": (0.5,), "rate": 1e-3, "clip": 0.0, "questions": 8}
    assert data_settings("reviews", given) == {"corpus": 100, "questions": 8}
    assert data_settings("control", {"prompts": 9, "betas": (0.5,)}) == {"prompts": 9}
    assert data_settings("images", {"epochs": 3}) == {"epochs": 3}, "it names none, so all count"
    assert data_settings("tiny", {"steps": 3}) == {"steps": 3}


def test_what_was_trained_is_not_trained_again(bench: Bench) -> None:
    def stop(step: Step, _: Progress) -> None:
        if step is Step.SCORE:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.measure(say_to=stop)
    bench.where.steps.clear()
    bench.measure()
    assert bench.where.steps == [Step.SCORE]


def test_weights_that_were_exchanged_are_trained_again(bench: Bench) -> None:
    first = bench.measure()
    (file,) = bench.folder.glob("project/training/*/weights/policy.safetensors")
    file.write_bytes(file.read_bytes()[:-4] + b"\0\0\0\0")
    bench.where.steps.clear()
    assert bench.measure() == first
    assert Step.TRAIN in bench.where.steps


def test_a_training_of_other_data_is_not_over(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    _write_done(tmp_path / "trained.json", {"finite": 1.0}, tmp_path / "weights", "these")
    assert _read_done(tmp_path / "trained.json", tmp_path / "weights", "these") == {"finite": 1.0}
    assert _read_done(tmp_path / "trained.json", tmp_path / "weights", "others") is None


def test_asked_to_stop_it_ends_the_trainer_and_keeps_its_place(bench: Bench) -> None:
    asked: list[bool] = []

    def stopping() -> bool:
        return bool(asked)

    bench.trainings = replace(bench.trainings, stopping=stopping)
    with pytest.raises(StoppedError):
        bench.measure(say_to=lambda step, _: asked.append(True) if step is Step.TRAIN else None, pause=0.2)
    asked.clear()
    assert bench.measure(pause=0.0, steps=20)["finite"] == 1.0


def test_weights_are_not_kept_unless_wanted(bench: Bench) -> None:
    bench.trainings = replace(bench.trainings, keep=False)
    bench.measure()
    assert not list(bench.folder.glob("project/training/*/*"))


class Broken(Here):
    """Raises at its third answer."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def answer(self, batch: Batch) -> Answer:
        if len(self.asked) == 2:
            raise self.error
        return super().answer(batch)


def test_a_candidate_that_raises_is_at_fault(bench: Bench) -> None:
    text = DPO.replace("    rho =", "    [][0 if beta else 1]\n    rho =")
    with pytest.raises(CandidateFault, match="index out of range"):
        bench.measure(here=Here(text))


def test_a_dead_sandbox_is_ours(bench: Bench) -> None:
    with pytest.raises(SandboxLostError, match="from outside"):
        bench.measure(here=Broken(SandboxLostError("the sandbox was ended from outside")))


def test_a_candidate_that_turns_in_the_last_steps_is_caught(bench: Bench) -> None:
    class Late(Here):
        def answer(self, batch: Batch) -> Answer:
            got = super().answer(batch)
            return got if len(self.asked) < 18 else replace(got, gradients=(-got.grad_chosen, got.grad_rejected))

    with pytest.raises(CandidateFault) as raised:
        bench.measure(here=Late())
    assert raised.value.findings[0].rule == "W210"


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("raise", "ZeroDivisionError: oh"),
        ("file", "safetensors alone"),
        ("link", "no plain file"),
        ("large", "more than 2 MiB"),
    ],
)
def test_a_trainer_that_misbehaves_is_ours(bench: Bench, how: str, why: str) -> None:
    with pytest.raises(InfrastructureError, match=why):
        bench.measure(misbehave=how, disk_mib=2)


def test_the_users_fault_is_the_users(bench: Bench) -> None:
    with pytest.raises(UserError, match="malformed") as raised:
        bench.measure(user_error=1)
    assert raised.value.remedy == "mend them"


def test_inputs_are_named_in_a_file_and_decide_about_the_outcome(bench: Bench) -> None:
    project = bench.folder / "project"
    (project / "inputs.toml").write_text('model = "a"\n[tiny]\npairs = "b"\n[other]\npairs = "c"\n')
    with pytest.raises(UserError, match="input model is not at"):
        bench.measure()
    for name in ("a", "b"):
        (project / name).write_text(name)
    assert bench.trainings.inputs(bench.plan()) == {"model": project / "a", "pairs": project / "b"}
    made: list[dict[str, dict[str, str]]] = []
    bench.measure(made=made.append)
    data = made[0]["data"]
    assert {name: data[name] for name in data if name.startswith("inputs/")} == {
        "inputs/model": digest_of_input(project / "a"),
        "inputs/pairs": digest_of_input(project / "b"),
    }
    assert len(data) > 2, "and what was prepared of them"
    assert made[0]["weights"]
    before = bench.trainings.identity(bench.plan())
    (project / "b").write_text("other")
    assert bench.trainings.identity(bench.plan()) != before
    (project / "inputs.toml").write_text("model = 3\n")
    with pytest.raises(UserError, match="no path"):
        bench.trainings.inputs(bench.plan())


def test_two_attempts_at_once_are_refused(bench: Bench) -> None:
    other = Bench.__new__(Bench)
    other.__dict__.update(bench.__dict__)

    def intrude(step: Step, _: Progress) -> None:
        if step is Step.TRAIN:
            with pytest.raises(InfrastructureError, match="another attempt"):
                other.measure()

    assert math.isfinite(bench.measure(say_to=intrude)["accuracy"])
