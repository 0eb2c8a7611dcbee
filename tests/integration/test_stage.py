"""The whole ladder in small, by its commands: fine-tune, answers, a judge on loopback, promotion, and once more."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support import ROOT, harness_command

from harness.images.build import build

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.container, pytest.mark.rest]

STAGE = ROOT / "examples" / "stage"


def command(keys: Path, *words: object, judged: bool = False) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CI": "true", "HARNESS_KEYS": str(keys)}
    for name in [n for n in environment if n.startswith("OPENAI_") or n == "HARNESS_DATABASE_URL"]:
        del environment[name]
    beside = [sys.executable, str(STAGE / "judge.py")] if judged else []
    line = [*beside, *harness_command(*words)]
    return subprocess.run(line, capture_output=True, text=True, env=environment, cwd=ROOT, check=False, timeout=900)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, sandbox_image: Any) -> Path:
    """A project with a tiny model, pairs and questions."""
    del sandbox_image
    build("trainer-cpu")
    folder = tmp_path_factory.mktemp("stage") / "project"
    subprocess.run([sys.executable, str(STAGE / "world.py"), str(folder)], check=True, capture_output=True)
    for path in (folder.parent, folder.parent.parent):
        path.chmod(0o755)  # a trainer's container has another user
    return folder


def test_from_the_screen_to_a_promotion_and_the_same_once_more(world: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    ladder = STAGE / "stage.toml"
    # Nobody says where a judge is: told before anything is trained.
    refused = command(keys, "run", "examples/slic.py", "--ladder", ladder, "--folder", world)
    assert refused.returncode == 2
    assert "OPENAI_BASE_URL" in refused.stderr
    done = command(keys, "run", "examples/slic.py", "--ladder", ladder, "--folder", world, judged=True)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = json.loads(command(keys, "show", 1, "--json", "--folder", world).stdout)
    (decided,) = [one for one in shown["decisions"] if one["rung"] == "judge"]
    assert decided["decision"] == "promote"
    for words in ("at equal length", "length ratio", "calls of stage-judge", "tokens", "dollars"):
        assert words in decided["reason"]
    assert decided["detail"]["calls"] > 0
    scores = {one["metric"]: one["value"] for one in shown["scores"]["judge"]}
    assert scores["win_rate"] > 0.5, "the training made it better than it was"
    drawn = command(keys, "show", 1, "--plots", tmp_path / "plots", "--folder", world)
    assert drawn.returncode == 0
    assert (tmp_path / "plots" / "judge-judgement.png").stat().st_size > 5000
    _answers(keys, world, tmp_path)
    _again(keys, world, tmp_path)


def _answers(keys: Path, world: Path, folder: Path) -> None:
    """The kept model answers by a command, otherwise than the one before its training."""
    kept = json.loads(command(keys, "weights", "--folder", world, "--json").stdout)["weights"]
    assert len(kept) == 4
    texts = []
    for more in ((), ("--start",)):
        out = folder / f"answers{''.join(more)}.jsonl"
        asked = ("--questions", world / "questions.jsonl", "--tokens", 16, "--output", out, "--folder", world)
        done = command(keys, "answer", 1, *asked, *more)
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
        assert [line["question_id"] for line in lines] == list(range(81, 101))
        assert all(len(line["choices"][0]["turns"]) == 2 for line in lines)
        texts.append([line["choices"][0]["turns"] for line in lines])
    assert texts[0] != texts[1]
    done = command(keys, "answer", 1, "--questions", world / "questions.jsonl", "--tokens", 120, "--folder", world)
    assert done.returncode == 2
    assert "takes in 128" in done.stderr


def _again(keys: Path, world: Path, folder: Path) -> None:
    """Packed, verified and done again where there is no judge: by the replies that were recorded."""
    archive = folder / "run.crate.zip"
    assert command(keys, "export", 1, "--folder", world, "--output", archive).returncode == 0
    done = command(keys, "verify", archive, "--accepted")
    assert done.returncode == 0, done.stdout + done.stderr
    fresh = folder / "fresh"
    fresh.mkdir()
    shutil.copy(world / "inputs.toml", fresh)
    for path in (folder, folder.parent):
        path.chmod(0o755)
    done = command(keys, "reproduce", archive, "--folder", fresh)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the same again, to the bit: screen, properties, fine-tune, judge" in done.stdout
