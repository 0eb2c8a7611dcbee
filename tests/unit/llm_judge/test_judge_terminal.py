"""No text of a judge's files, of its replies or of its recordings commands a terminal."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from judging_server import KEY, serving

from harness.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ATTACK = "x\x1b[2J\x1b]8;;https://evil.example\x1b\\here\x07\rACCEPTED\u202e\x9b2J[bold]"
FILES: dict[str, dict[str, Any]] = {
    "questions": {"question_id": 1, "category": "writing", "turns": ["Write."]},
    "prompts": {
        "name": "single-v1",
        "type": "single",
        "system_prompt": "Be a judge.",
        "prompt_template": "{question} {answer}",
        "output_format": "[[rating]]",
    },
    "answers": {"question_id": 1, "choices": [{"turns": ["a poem"]}]},
    "ours": {"prompt": "Why?", "answer": "So it is."},
    "theirs": {"prompt": "Why?", "answer": "So."},
}


def texts(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, str):
        yield place
    elif isinstance(value, (dict, list)):
        for step, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from texts(one, (*place, step))


def put(document: Any, place: tuple[Any, ...], text: str) -> None:
    for step in place[:-1]:
        document = document[step]
    document[place[-1]] = text


SPOTS = [(name, place) for name, content in FILES.items() for place in texts(content)]


def command(capfd: pytest.CaptureFixture[str], *words: object) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["harness", "judge", *map(str, words)])
        patch.setenv("OPENAI_API_KEY", KEY)
        with pytest.raises(SystemExit):
            main()
    told = "".join(capfd.readouterr())
    odd = {f"U+{ord(c):04X}" for c in told if c != "\n" and not c.isprintable()}
    assert not odd, (odd, told)
    return told


def write(folder: Path, spoilt: str = "", place: tuple[Any, ...] = ()) -> dict[str, Path]:
    """All files of a judge, one text in one of them spoilt."""
    for name, content in FILES.items():
        copy = json.loads(json.dumps(content))
        if name == spoilt:
            put(copy, place, ATTACK)
        (folder / name).write_text(json.dumps(copy) + "\n")
    return {name: folder / name for name in FILES}


def judged(capfd: pytest.CaptureFixture[str], files: dict[str, Path], *words: object) -> str:
    bench = ("--questions", files["questions"], "--prompts", files["prompts"])
    told = command(capfd, files["answers"], *bench, "--model", "judge", *words)
    return told + command(capfd, files["ours"], files["theirs"], "--model", "judge", *words)


@pytest.mark.parametrize(("name", "place"), SPOTS, ids=[f"{n}-{'.'.join(map(str, p))}" for n, p in SPOTS])
def test_no_field_of_a_file_reaches_a_terminal(
    name: str, place: tuple[Any, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(lambda _: "Rating: [[7]]") as server:
        judged(capfd, write(tmp_path, name, place), "--base-url", server.url, "--folder", tmp_path / "harness")


def always(reply: str) -> Callable[[object], str]:
    return lambda _: reply


def test_no_reply_and_no_field_of_a_recording_does(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    files, folder = write(tmp_path), tmp_path / "harness"
    for says in (ATTACK, f"{ATTACK} Rating: [[7]]"):
        with serving(always(says)) as server:
            judged(
                capfd, files, "--base-url", server.url, "--folder", folder, "--recording", tmp_path / f"r{len(says)}"
            )
    recording = tmp_path / f"r{len(ATTACK)}"
    lines = [json.loads(line) for line in recording.read_text("utf-8").splitlines()]
    assert lines
    for place in texts(lines[0]):
        spoilt = json.loads(json.dumps(lines))
        put(spoilt[0], place, ATTACK)
        recording.write_text("".join(json.dumps(line) + "\n" for line in spoilt))
        assert judged(capfd, files, "--replay", recording, "--folder", folder)


def test_an_endpoint_that_models_a_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The name of the model and what the endpoint says of an error are somebody else's as well."""
    answer = {"error": {"message": ATTACK}, "model": ATTACK, "choices": []}
    with serving(lambda _: answer) as server:
        told = judged(capfd, write(tmp_path), "--base-url", server.url, "--folder", tmp_path / "harness")
    assert told
