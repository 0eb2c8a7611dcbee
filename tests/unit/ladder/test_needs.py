"""What a ladder needs and nobody has is told before anything begins, and to the one who can see to it."""

from __future__ import annotations

import errno
import importlib.util
import os
from typing import TYPE_CHECKING, Any, cast

import pytest
from click.testing import CliRunner
from support import ROOT

from harness.cli.run import run_command
from harness.cli.submit import submit_command
from harness.core.errors import HarnessError, ImageMissingError, InfrastructureError, UserError
from harness.ladder import needs
from harness.ladder.ladder import load
from harness.ladder.measuring import VARIABLE
from harness.ladder.needs import meet
from harness.training import rung
from harness.training.rung import TrainingService

if TYPE_CHECKING:
    from pathlib import Path

    import click

TEXT = "def loss(pc, pr, rc, rr, beta):\n    return -beta * (pc - pr - rc + rr)\n"


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A place that can train, with a GPU."""
    monkeypatch.setattr(needs, "host_gpus", lambda: (0,))
    monkeypatch.setenv(VARIABLE, "process")


def refused(ladder: str, folder: Path, **given: Any) -> HarnessError:
    with pytest.raises(HarnessError) as error:
        meet(load(ladder), folder, **{"gpu": "auto", **given})
    assert error.value.remedy
    return error.value


@pytest.mark.parametrize("ladder", ["imdb", "cifar10", "zephyr-7b-gemma"])
def test_a_gpu_that_nobody_has(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ladder: str) -> None:
    monkeypatch.setattr(needs, "host_gpus", lambda: ())
    error = refused(ladder, tmp_path)
    assert error.exit_code == 2
    assert "needs a GPU, and this host has none" in error.message
    monkeypatch.setattr(needs, "host_gpus", lambda: (0,))
    assert "it was not given one" in refused(ladder, tmp_path, gpu="none").message


JUDGE = """
[[rungs]]
name = "judge"
kind = "judge"
needs = "cpu"
baseline = "dpo"
[rungs.settings]
rung = "fine-tune"
judge = "judge-1"
[rungs.gate]
metric = "preference"
margin = 0.5
alpha = 0.1
looks = [2]
"""


@pytest.fixture
def judged(trainer: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a ladder that ends with a judge, and all that it needs."""
    del trainer
    text = (ROOT / "examples" / "stage" / "stage.toml").read_text("utf-8")
    text = text[: text.index("# Candidate and DPO")].replace('name = "stage"', 'name = "mine"') + JUDGE
    (tmp_path / "mine.toml").write_text(text, "utf-8")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}', "utf-8")
    (tmp_path / "set.jsonl").write_text("{}", "utf-8")
    (tmp_path / "questions.jsonl").write_text('{"prompt": "what is tea"}', "utf-8")
    named = 'model = "model"\npreferences = "set.jsonl"\n[judge]\nquestions = "questions.jsonl"\n'
    (tmp_path / "inputs.toml").write_text(named, "utf-8")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return tmp_path


def test_a_judge_that_has_all_it_needs_is_climbed_to(judged: Path) -> None:
    meet(load(str(judged / "mine.toml")), judged, gpu="none")


def test_what_a_judge_needs_is_told_before_anything_is_trained(judged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ladder = str(judged / "mine.toml")
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert "nobody says where one is" in refused(ladder, judged, gpu="none").message
    (judged / "judgements").mkdir()
    (judged / "judgements" / "x.jsonl").touch()
    meet(load(ladder), judged, gpu="none")  # replies that were recorded will do
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert "scikit-learn" in refused(ladder, judged, gpu="none").message


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("anchors.jsonl", '{"preference": 70, "ours": 1, "theirs": 1}', "no anchor"),
        ("anchors.jsonl", '{"preference": NaN, "ours": 1, "theirs": 1}', "no anchor"),
        ("anchors.jsonl", '{"preference": 0.5, "ours": 1e999, "theirs": 1}', "no anchor"),
        ("anchors.jsonl", "[" * 100_000, "no anchor"),
        ("questions.jsonl", None, "nothing is at"),
        ("questions.jsonl", "", "is empty"),
        ("questions.jsonl", '{"prompt": "a"}\n{"prompt": ', "line 2"),
        ("model/tokenizer_config.json", "{}", "has no chat template"),
        ("model/tokenizer_config.json", "{", "no JSON"),
        ("model/tokenizer_config.json", None, "has no chat template"),
        ("inputs.toml", 'model = "model"\npreferences = "set.jsonl"\n', "reads questions, and nobody says"),
    ],
)
def test_what_a_judge_compares_is_looked_at_before_anything_is_trained(
    judged: Path, name: str, content: str | None, told: str
) -> None:
    place = judged / name
    place.unlink(missing_ok=True)
    if name == "anchors.jsonl":
        with (judged / "inputs.toml").open("a") as file:
            file.write('anchors = "anchors.jsonl"\n')
    if content is not None:
        place.write_text(content, "utf-8")
    error = refused(str(judged / "mine.toml"), judged, gpu="none")
    assert told in error.message
    assert error.exit_code == 2


def test_a_template_may_lie_beside_the_tokenizer_and_is_not_asked_for_where_there_is_to_be_none(judged: Path) -> None:
    (judged / "model" / "tokenizer_config.json").unlink()
    (judged / "model" / "chat_template.jinja").touch()
    meet(load(str(judged / "mine.toml")), judged, gpu="none")
    (judged / "model" / "chat_template.jinja").unlink()
    text = (judged / "mine.toml").read_text("utf-8")
    (judged / "mine.toml").write_text(text.replace('judge = "judge-1"', 'judge = "j"\ntemplate = "none"'), "utf-8")
    meet(load(str(judged / "mine.toml")), judged, gpu="none")
    (judged / "questions.jsonl").write_text('{"question_id": 1, "turns": ["a", "b"]}', "utf-8")
    assert "two turns" in refused(str(judged / "mine.toml"), judged, gpu="none").message


@pytest.mark.usefixtures("trainer")
@pytest.mark.parametrize(
    ("ladder", "names"),
    [("imdb", ("model", "pairs", "classifier")), ("zephyr-7b-gemma", ("model", "preferences")), ("cifar10", ("data",))],
)
def test_files_that_nobody_named_or_that_are_not_there(tmp_path: Path, ladder: str, names: tuple[str, ...]) -> None:
    lines: list[str] = []
    for name in names:
        error = refused(ladder, tmp_path)
        assert (error.exit_code, f"reads {name}, and nobody says" in error.message) == (2, True)
        assert f'{name} = "/a/path" into {tmp_path / "inputs.toml"}' in error.remedy
        (tmp_path / "inputs.toml").write_text("\n".join([*lines, f'{name} = "nowhere"']))
        error = refused(ladder, tmp_path)
        assert (error.exit_code, f"nothing is at {tmp_path / 'nowhere'}" in error.message) == (2, True)
        (tmp_path / name).mkdir()
        lines.append(f'{name} = "{name}"')
        (tmp_path / "inputs.toml").write_text("\n".join(lines))
    if ladder != "cifar10":
        meet(load(ladder), tmp_path, gpu="auto")


@pytest.mark.usefixtures("trainer")
def test_a_folder_that_holds_something_else(tmp_path: Path) -> None:
    error = refused("cifar10", tmp_path, data_dir=str(tmp_path))
    assert (error.exit_code, error.message) == (2, f"the rung cifar10 reads data: there is no CIFAR-10 in {tmp_path}")
    (tmp_path / "data_batch_1.bin").write_bytes(b"")
    meet(load("cifar10"), tmp_path, gpu="auto", data_dir=str(tmp_path))
    assert "leave --data-dir out" in refused("bandit", tmp_path, data_dir=str(tmp_path)).remedy


def test_nothing_to_train_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def absent(_: str) -> None:
        raise ImageMissingError("the trainer image is not on this machine", remedy="build it")

    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("harness.images.current", absent)
    assert refused("reviews", tmp_path).exit_code == 3
    meet(load("bandit"), tmp_path, gpu="none")  # trains in no container
    monkeypatch.setenv(VARIABLE, "process")
    meet(load("reviews"), tmp_path, gpu="none")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    error = refused("reviews", tmp_path)
    assert (error.exit_code, "no torch to train with" in error.message) == (3, True)
    monkeypatch.setenv(VARIABLE, "somewhere")
    assert refused("reviews", tmp_path).exit_code == 2


def test_run_refuses_before_it_climbs_and_submit_says_what_a_worker_has_to_have(tmp_path: Path) -> None:
    loss, folder = tmp_path / "loss.py", str(tmp_path / "project")
    loss.write_text(TEXT)
    with pytest.raises(UserError, match=r"the rung imdb of .* needs a GPU"):
        run_command.main([str(loss), "--profile", "imdb", "--folder", folder], standalone_mode=False)
    done = CliRunner().invoke(submit_command, [str(loss), "--profile", "imdb", "--folder", folder])
    assert done.exit_code == 0
    assert "note: the rung imdb reads model, and nobody says where it lies: a worker elsewhere has to" in done.stderr
    assert "note" not in CliRunner().invoke(submit_command, [str(loss), "--folder", folder]).stderr


@pytest.mark.parametrize(("number", "said"), [(errno.ENOSPC, "make room at"), (errno.EROFS, "see to")])
def test_a_disk_that_takes_nothing_is_a_fault_of_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int, said: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(number, "no", str(tmp_path / "data"))

    where = type("Where", (), {"identity": "here"})()
    monkeypatch.setattr(rung, "kept", full)
    (plan,) = (plan for plan in load("digits").searched.rungs if plan.kind == "images")
    trainings = TrainingService(tmp_path, where)
    for attempt in (
        lambda: trainings.prepare(plan, 0),
        lambda: trainings.measure(cast("Any", None), plan, 0, "name"),
    ):
        with pytest.raises(InfrastructureError, match="data: no") as error:
            attempt()
        assert said in error.value.remedy


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model = ", "no TOML"),
        ("model = 3", "no path"),
        (f'model = "{"x" * 300}"', "too long"),
        ('model = "pipe"', "neither a file nor a folder"),
        ('[imdb]\nmodel = "/dev/zero"', "neither a file nor a folder"),
    ],
)
@pytest.mark.parametrize("command", [run_command, submit_command])
def test_inputs_that_make_no_sense_are_refused_before_anything_is_queued(
    command: click.Command, text: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "loss.py").write_text(TEXT)
    project = tmp_path / "project"
    project.mkdir()
    os.mkfifo(project / "pipe")
    (project / "inputs.toml").write_text(text)
    loss, there = str(tmp_path / "loss.py"), {"pipe", "inputs.toml"}
    with pytest.raises(UserError, match=said):
        command.main([loss, "--profile", "imdb", "--folder", str(project)], standalone_mode=False)
    assert {path.name for path in project.iterdir()} == there
    with pytest.raises(UserError, match="reads a folder of data"):
        run_command.main([loss, "--folder", str(project), "--data-dir", str(project)], standalone_mode=False)
    assert {path.name for path in project.iterdir()} == there
