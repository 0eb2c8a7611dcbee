"""Settings of rung 3 are read strictly: what would be misunderstood is refused."""

from __future__ import annotations

from typing import Any

import pytest

from harness.ladder.ladder import load
from harness.protocol.job import StepError
from harness.trainer.reviews.settings import Settings
from harness.training.rung import split


@pytest.mark.parametrize("ladder", ["reviews", "imdb"])
def test_the_ladders_settings_are_understood(ladder: str) -> None:
    plan = load(ladder).rungs[-1]
    settings = Settings.of(split(plan)[1])
    assert plan.kind == "reviews"
    assert settings.source == ("grammar" if ladder == "reviews" else "files")


def test_whole_numbers_are_taken_for_numbers_and_single_betas_for_lists() -> None:
    assert Settings.of({"rate": 1, "betas": 2.0}) == Settings(rate=1.0, betas=(2.0,))
    assert Settings.of({"betas": (1, 2.5)}).betas == (1.0, 2.5)


@pytest.mark.parametrize(
    "given",
    [
        {"beta": 1.0},
        {"batch": 0},
        {"batch": 1.5},
        {"batch": True},
        {"batch": "32"},
        {"rate": 0.0},
        {"rate": float("nan")},
        {"rate": "fast"},
        {"betas": ()},
        {"betas": (1.0, 1.0)},
        {"betas": (0.0,)},
        {"betas": (float("inf"),)},
        {"betas": ("1",)},
        {"tie": 1.0},
        {"rise": -0.1},
        {"source": "web"},
        {"too_long": "cut"},
        {"precision": "float16"},
        {"width": 66, "heads": 4},
        {"questions": 1},
    ],
)
def test_what_makes_no_sense_is_the_users_fault(given: dict[str, Any]) -> None:
    with pytest.raises(StepError) as told:
        Settings.of(given)
    assert told.value.fault == "user"
    assert told.value.remedy
    assert any(name in str(told.value) for name in given)
