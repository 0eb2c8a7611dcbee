"""Preparations that are killed wherever they tell how far they are, and go on to the same bytes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch

from harness.protocol.job import Job, Progress, Step, silent
from harness.trainer import checkpoint
from harness.trainer.checkpoint import Pieces
from harness.trainer.tasks import task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

torch.set_num_threads(1)
#: Of each task: the settings of a second's work.
TINY: dict[str, dict[str, Any]] = {
    "reviews": {
        "corpus": 200,
        "width": 32,
        "warm_steps": 60,
        "warm_rate": 0.01,
        "prompts": 48,
        "questions": 16,
        "keep": 10,
    },
    "control": {"prompts": 12, "segment": 4, "horizon": 4, "clone_steps": 3, "evaluations": 16},
}
SEARCHING = {**TINY["control"], "environment": "InvertedPendulum-v5", "search_steps": 12, "horizon": 60, "bound": 3.0}


class Killed(BaseException):
    """Nothing in a task may catch it."""


def dying(at: int, told: list[Progress], what: str = "") -> Callable[[Progress], None]:
    """Die at a word of such a beginning, counted from 1."""

    def say(progress: Progress) -> None:
        if progress.what.startswith(what):
            told.append(progress)
        if len(told) == at:
            raise Killed

    return say


def prepare(name: str, out: Path, say: Callable[[Progress], None], settings: dict[str, Any]) -> None:
    out.mkdir(exist_ok=True)
    task(name).prepare(Job(name, Step.PREPARE, 0, settings, out=str(out)), say)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.rest
@pytest.mark.parametrize(
    ("name", "settings"),
    [("reviews", TINY["reviews"]), ("control", TINY["control"]), ("control", SEARCHING)],
    ids=["reviews", "control", "control by search"],
)
def test_killed_anywhere_it_goes_on_to_the_same_bytes(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    """At the first and the second word of each kind, in one attempt after the other."""
    words: list[Progress] = []
    prepare(name, tmp_path / "whole", words.append, settings)
    killed = 0
    for what in dict.fromkeys(word.what for word in words):
        for at in (1, 2):
            try:
                prepare(name, tmp_path / "killed", dying(at, [], what), settings)
            except Killed:
                killed += 1
    assert killed >= len({word.what for word in words})
    prepare(name, tmp_path / "killed", silent, settings)
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


@pytest.mark.rest
@pytest.mark.parametrize(
    ("name", "settings", "what"),
    [
        ("reviews", TINY["reviews"], "asks the reference"),
        ("reviews", {**TINY["reviews"], "warm_steps": 51}, "learns the language"),
        ("control", TINY["control"], "trajectories"),
        ("control", SEARCHING, "controllers"),
    ],
)
def test_what_was_done_is_not_done_again(
    name: str, settings: dict[str, Any], what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at the last word about it, the next attempt does little of it."""
    words: list[Progress] = []
    prepare(name, tmp_path / "whole", words.append, settings)
    last = max(i for i, told in enumerate(words) if told.what.startswith(what))
    with pytest.raises(Killed):
        prepare(name, tmp_path / "killed", dying(last + 1, []), settings)
    costly = {
        "asks the reference": ("harness.trainer.reviews.embedded.cross_entropy", 0),
        "learns the language": ("harness.trainer.reviews.embedded.cross_entropy", 10),
        "trajectories": ("harness.trainer.control.data.clone", 0),
        "controllers": ("harness.trainer.control.controllers._returns", 5),
    }
    place, most = costly[what]
    module, _, function = place.rpartition(".")
    real, calls = getattr(sys.modules[module], function), []

    def counted(*given: Any, **named: Any) -> Any:
        calls.append(1)
        return real(*given, **named)

    monkeypatch.setattr(place, counted)
    prepare(name, tmp_path / "killed", silent, settings)
    assert len(calls) <= most
    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    calls.clear()
    prepare(name, tmp_path / "again", silent, settings)
    assert len(calls) > most, "the counter counts"


def test_pieces_of_other_settings_and_damaged_ones_are_made_again(tmp_path: Path) -> None:
    mine = Pieces(tmp_path, "mine")
    assert mine.get("one", lambda: {"a": 1}) == {"a": 1}
    assert mine.get("one", lambda: {"a": 2}) == {"a": 1}
    assert Pieces(tmp_path, "another's").known("one") is None
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-3])
    assert mine.get("one", lambda: {"a": 3}) == {"a": 3}
    checkpoint.save(file, ["no piece"])
    assert mine.known("one") is None
    mine.clear()
    assert list(tmp_path.iterdir()) == []
