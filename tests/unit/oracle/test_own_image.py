"""An image of the user's own is run, and named in what is told of a check, by its id on the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fake_engine import FakeEngine

from harness.checks.checker import Checker
from harness.checks.options import Options
from harness.core.errors import ImageMissingError

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = "sha256:" + "5" * 64


@pytest.mark.parametrize("said", [DIGEST, DIGEST.removeprefix("sha256:")])
def test_it_is_known_by_its_id(said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    double = FakeEngine(answers={"GET /images/mine:1/json": (200, {"Id": said})})
    with double.listening(tmp_path / "engine.sock") as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        with Checker.open(Options(image="mine:1", gpu="none")) as checker:
            assert checker.recipe.image == DIGEST
            assert (checker.environment["image"], checker.environment["image_digest"]) == ("mine:1", DIGEST)


def test_one_that_is_not_there_is_told_where_the_checker_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    double = FakeEngine(answers={"GET /images/mine:1/json": (404, {"message": "No such image: mine:1"})})
    with double.listening(tmp_path / "engine.sock") as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        with pytest.raises(ImageMissingError):
            Checker.open(Options(image="mine:1", gpu="none"))
