"""The step that answers: turns, templates, sampling, and a step that is killed and gone on with."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

import finetune_world as world  # noqa: E402 - its packages may be missing

from harness.protocol.job import Job, Progress, Step, StepError, silent  # noqa: E402
from harness.trainer.__main__ import _do  # noqa: E402
from harness.trainer.finetune import model as models  # noqa: E402
from harness.trainer.finetune import weights  # noqa: E402
from harness.trainer.finetune.answering import answer  # noqa: E402
from harness.trainer.finetune.settings import Settings  # noqa: E402

TURNS = [["say something about tea"], ["say something about the sea", "and what else"], ["what of my work", "and now"]]


def asked(folder: Path, base: Path, *, turns: list[list[str]] = TURNS, **fields: Any) -> Job:
    rows = [
        {"id": f"q{n}", "turns": each, "temperature": 0.0, "tokens": 6, "plain": False, **fields}
        for n, each in enumerate(turns)
    ]
    (folder / "questions").mkdir(parents=True, exist_ok=True)
    world.jsonl(folder / "questions" / "questions.jsonl", rows)
    (folder / "out").mkdir(exist_ok=True)
    settings = {**world.SETTINGS, "evaluation_batch": 2}
    out, data = str(folder / "out"), str(folder / "questions")
    return Job("finetune", Step.ANSWER, 3, settings, out=out, data=data, inputs={"model": str(base)})


def answers(job: Job) -> list[dict[str, Any]]:
    answer(job, silent)
    return [json.loads(line) for line in (Path(job.out) / "answers.jsonl").read_text("utf-8").splitlines()]


def test_every_turn_is_answered_and_the_second_one_sees_the_first(tmp_path: Path, base: Path) -> None:
    rows = answers(asked(tmp_path / "a", base))
    assert [row["id"] for row in rows] == ["q0", "q1", "q2"]
    assert [len(row["turns"]) for row in rows] == [1, 2, 2]
    assert all(0 < count <= 6 for row in rows for count in row["tokens"])
    # Asked by itself the second turn is answered otherwise: the first stands before it.
    alone = answers(asked(tmp_path / "b", base, turns=[["and what else"]]))
    assert alone[0]["turns"][0] != rows[1]["turns"][1]


def test_at_a_temperature_of_0_nothing_is_drawn_and_else_by_the_seed(tmp_path: Path, base: Path) -> None:
    job = asked(tmp_path / "a", base)
    assert answers(job) == answers(replace(job, seed=4))
    warm = asked(tmp_path / "b", base, temperature=1.0)
    first = answers(warm)
    assert answers(warm) == first
    assert answers(replace(warm, seed=4)) != first


def test_trained_weights_answer_otherwise_than_those_before(tmp_path: Path, base: Path) -> None:
    job = asked(tmp_path, base)
    before = answers(job)
    held = models.load(base, Settings.of(world.SETTINGS), "cpu")
    with torch.no_grad():
        for parameter in held.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    trained = tmp_path / "weights"
    trained.mkdir()
    weights.write(trained / weights.WEIGHTS, weights.trained(held), {"identity": "x", "metrics": {}})
    after = answers(replace(job, weights=str(trained)))
    assert after != before
    with torch.no_grad():
        next(held.parameters())[0, 0] = float("nan")
    weights.write(trained / weights.WEIGHTS, weights.trained(held), {"identity": "x", "metrics": {}})
    with pytest.raises(StepError, match="not finite"):
        answer(replace(job, weights=str(trained)), silent)


def test_a_step_that_was_killed_goes_on_to_the_same_answers(tmp_path: Path, base: Path) -> None:
    whole = answers(asked(tmp_path / "whole", base, temperature=1.0))
    for at in range(1, 5):
        job = asked(tmp_path / f"killed-{at}", base, temperature=1.0)
        done: list[int] = []

        def kill(progress: Progress, at: int = at, done: list[int] = done) -> None:
            done.append(progress.done)
            if progress.done >= at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            answer(job, kill)
        assert not list((tmp_path / f"killed-{at}" / "out").glob("answers.jsonl"))
        assert answers(job) == whole
        assert [path.name for path in (tmp_path / f"killed-{at}" / "out").iterdir()] == ["answers.jsonl"]


def test_what_was_begun_with_other_questions_is_not_gone_on_with(tmp_path: Path, base: Path) -> None:
    job = asked(tmp_path, base)

    def kill(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answer(job, kill)
    other = [["what of the road"], *TURNS[1:]]
    expected = answers(asked(tmp_path / "fresh", base, turns=other))
    assert answers(asked(tmp_path, base, turns=other)) == expected


def test_questions_in_no_template_are_the_text_alone(tmp_path: Path, base: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(base, bare)
    (bare / "chat_template.jinja").unlink()
    with pytest.raises(StepError, match="no chat template") as raised:
        answer(asked(tmp_path / "a", bare), silent)
    assert raised.value.fault == "user"
    rows = answers(asked(tmp_path / "b", bare, turns=[["tea:"]], plain=True))
    assert rows[0]["turns"] != answers(asked(tmp_path / "c", base, turns=[["tea:"]]))[0]["turns"]


def test_what_a_model_cannot_take_in_is_refused_before_it_is_asked(tmp_path: Path, base: Path) -> None:
    seen: list[Progress] = []
    for fields in ({"tokens": 100, "turns": TURNS}, {"turns": [["tea " * 200]]}):
        with pytest.raises(StepError, match="takes in 128") as raised:
            answer(asked(tmp_path, base, **fields), seen.append)
        assert raised.value.fault == "user"
    assert seen == []


def test_a_template_that_fails_on_a_question_is_the_users(tmp_path: Path, base: Path) -> None:
    odd = tmp_path / "odd"
    shutil.copytree(base, odd)
    (odd / "chat_template.jinja").write_text("{{ raise_exception('only one turn') }}", "utf-8")
    with pytest.raises(StepError, match="only one turn") as raised:
        answer(asked(tmp_path, odd), silent)
    assert raised.value.fault == "user"


def test_only_models_that_answer_are_asked(tmp_path: Path) -> None:
    job = Job("reviews", Step.ANSWER, 0, {}, out=str(tmp_path))
    with pytest.raises(StepError, match="answer nothing"):
        _do(job, 0, print)


def test_the_same_training_leaves_the_same_bytes(tmp_path: Path, base: Path, preferences: Path) -> None:
    from harness.trainer.finetune import steps as finetune

    left = []
    finetune.prepare(world.job(Step.PREPARE, base, preferences, tmp_path), silent)
    for _ in range(2):
        job = world.job(Step.TRAIN, base, preferences, tmp_path)
        finetune.train(job, world.dpo(), silent)
        left.append((tmp_path / "train" / weights.WEIGHTS).read_bytes())
        shutil.rmtree(tmp_path / "train")
    assert left[0] == left[1]


def test_a_share_of_the_pairs_is_trained_on(tmp_path: Path, base: Path, preferences: Path) -> None:
    from harness.trainer.finetune import steps as finetune

    facts = finetune.prepare(world.job(Step.PREPARE, base, preferences, tmp_path, share=0.25), silent)
    assert facts["pairs"] == 20  # a quarter of 96 less the 16 that are held out
    with pytest.raises(StepError, match="share"):
        Settings.of({"share": 0.0})
