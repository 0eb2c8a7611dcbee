"""Learning curves among metrics: read, averaged over seeds, shown in a line, drawn beside the baseline's."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner
from ledger_samples import candidate

from harness.cli.leaderboard import leaderboard_command
from harness.cli.pictures import draw_run
from harness.cli.show import show_command
from harness.ladder.curves import curves, line, mean_curves, point, spark, without_points
from harness.ladder.gate import Gate
from harness.ladder.ladder import load
from harness.ladder.rung_records import BASELINE
from harness.ledger import Ledger
from harness.ledger.records import Score
from harness.plots import picture_learning
from harness.protocol.job import line as told_line
from harness.training.steps import read_line

if TYPE_CHECKING:
    from pathlib import Path

METRICS = {"score": 0.5, "score@60": 0.4, "score@30": 0.2, "kl": 1.0, "a@b": 3.0, "@3": 4.0}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("score@30", ("score", 30)), ("a@b@3", ("a@b", 3)), ("@3", None), ("score@", None), ("score@-1", None)],
)
def test_a_point_is_a_metric_with_a_step(name: str, wanted: tuple[str, int] | None) -> None:
    assert point(name) == wanted


def test_points_come_in_the_order_of_their_steps_and_are_no_metrics() -> None:
    assert curves(METRICS) == {"score": ((30, 0.2), (60, 0.4))}
    assert without_points(METRICS) == ["score", "kl", "a@b", "@3"]


def test_a_mean_curve_ends_where_the_first_seed_broke_off() -> None:
    broken = {"score": 0.0, "score@30": 0.4}
    ((name, ((step, value),)),) = mean_curves([METRICS, broken]).items()
    assert (name, step) == ("score", 30)
    assert value == pytest.approx(0.3)
    assert mean_curves([METRICS, {"score": 0.0}]) == {}
    assert mean_curves([]) == {}


def test_a_spark_shows_what_is_highest_and_what_is_no_number() -> None:
    assert spark([0.0, 0.5, 1.0]) in {"▁▄█", "▁▅█"}
    assert spark([1.0, math.nan, 1.0, math.inf]) == "▁·▁·"
    assert spark([math.nan]) == "·"
    assert spark([]) == ""
    assert line(((30, 0.25), (60, 0.75))) == "▁█  30: 0.250, 60: 0.750"


def test_a_gate_takes_no_notice_of_points() -> None:
    gate = Gate("score", 0.1, 0.05, (2,))
    own = {seed: {"score": 0.5 + seed / 100} for seed in (0, 1)}
    curved = {seed: metrics | {"score@30": math.nan} for seed, metrics in own.items()}
    base = {seed: {"score": 0.4} for seed in (0, 1)}
    assert gate.decide(curved, base) == gate.decide(own, base)


def test_a_trainer_may_name_points_and_nothing_odd() -> None:
    assert read_line(told_line(metrics={"reward@30": 0.5}).encode()) == {"reward@30": 0.5}
    for name in ("reward@", "@30", "reward@30@", "reward@x", "a\n@3"):
        with pytest.raises(Exception, match="a line that is none"):
            read_line(told_line(metrics={name: 0.5}).encode())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A ledger with a run of the bandit ladder that has curves for two seeds, and the baseline's beside them."""
    with Ledger(tmp_path) as ledger:
        ladder = load("bandit")
        ledger.submit([candidate(1)], profile=ladder.name, profile_digest=ladder.digest, needs="cpu")
        held = ledger.claim("w", slot="p", needs=("cpu",))
        assert held is not None
        for seed in (0, 1):
            own = {"score": 0.6, "score@30": 0.1 + seed / 10, "score@60": 0.6}
            ledger.save_scores(held, "bandit", [Score(seed, name, value) for name, value in own.items()])
            beside = {"score@30": 0.2, "score@60": 0.5, "kl": "inf"}
            ledger.attach(held, "bandit", BASELINE.format(seed), json.dumps(beside).encode())
    return tmp_path


def test_a_run_is_shown_with_a_line_for_its_curve_and_no_rows_for_its_points(folder: Path) -> None:
    told = CliRunner().invoke(show_command, ["1", "--folder", str(folder)], catch_exceptions=False).stdout
    assert "score@" not in told
    assert "score by step, mean over seeds: ▁█  30: 0.150, 60: 0.600" in told
    document = json.loads(CliRunner().invoke(show_command, ["1", "--json", "--folder", str(folder)]).stdout)
    assert {"score@30", "score@60"} < {score["metric"] for score in document["scores"]["bandit"]}
    board = CliRunner().invoke(leaderboard_command, ["--folder", str(folder)], catch_exceptions=False).stdout
    assert "@" not in board
    assert "0.600" in board


def test_candidate_and_baseline_are_drawn_in_one_picture(folder: Path, tmp_path: Path) -> None:
    with Ledger(folder) as ledger:
        drawn = draw_run(ledger, ledger.run(1), tmp_path / "plots")
    assert [path.name for path in drawn] == ["bandit-curve.svg", "bandit-curve.png"]
    told = drawn[0].read_text("utf-8")
    assert "dpo (baseline)" in told
    assert "loss-1" in told


def test_the_line_of_a_picture_is_the_mean_as_far_as_all_seeds_have_come() -> None:
    worth: dict[str, dict[str, list[tuple[tuple[int, float], ...]]]] = {
        "score": {"own": [((1, 0.0), (2, 0.5)), ((1, 1.0),)], "dpo": [((1, 0.2), (2, 0.4))]}
    }
    figure = picture_learning.worth_figure("t", worth)
    lines = {str(one.get_label()): one for one in figure.axes[0].lines}
    assert list(np.asarray(lines["own"].get_xydata())[0]) == [1.0, 0.5]
    assert len(np.asarray(lines["own"].get_xdata())) == 1
    assert len(np.asarray(lines["dpo"].get_xdata())) == 2
