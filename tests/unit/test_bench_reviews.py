"""`python -m bench.reviews diverge` tells of trainings that were kept, also of those from before it told this much."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from click.testing import CliRunner

from bench import reviews

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TOLD = {
    "finite": 0.0,
    "stable_steps": 2.0,
    "steps": 60.0,
    "lowest_margin": -19.1,
    "reward": 0.0,
    "kl": 1.0,
    "seconds": 1.0,
}


def test_diverge_measures_what_was_kept_without_its_metrics(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept = tmp_path / "reviews.json"
    measured: list[str] = []

    def measure(name: str, *_: object) -> dict[str, float]:
        measured.append(name)
        return TOLD

    monkeypatch.setattr(reviews, "RESULTS", kept)
    monkeypatch.setattr(reviews, "loss_of", str)
    monkeypatch.setattr(reviews, "measured", measure)
    key = reviews._key("lrml", 0, {"betas": (5.0,), "epochs": 4, "rate": 5e-3})
    kept.write_text(json.dumps({"runs": {key: {"finite": 0.0, "reward": 0.0}}}))
    command = ["diverge", "--loss", "lrml", "--beta", "5"]
    for _ in range(2):
        told = CliRunner().invoke(reviews.main, command)
        assert told.exit_code == 0, told.output
        assert "lrml at beta 5: finite 0, 2 of 60 steps, lowest rho -19.1" in told.output
    assert measured == ["lrml"]
