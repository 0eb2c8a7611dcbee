from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.plots import picture_learning

if TYPE_CHECKING:
    from pathlib import Path

CURVES = {
    0: [{"step": "train", "done": 1, "total": 3, "loss": 0.7}, {"step": "train", "done": 2, "total": 3, "loss": "nan"}],
    1: [{"step": "train", "done": 1, "total": 3, "loss": 0.6, "accuracy": 0.5}],
}


def test_each_quantity_has_a_panel_and_each_seed_a_line() -> None:
    figure = picture_learning.learning_figure("a loss", CURVES)
    assert [axes.get_title() for axes in figure.axes] == ["accuracy", "loss"]
    assert [len(axes.lines) for axes in figure.axes] == [2, 2]


def test_a_point_that_is_not_finite_leaves_a_gap() -> None:
    figure = picture_learning.learning_figure("a loss", {0: CURVES[0]})
    (line,) = figure.axes[0].lines
    assert [str(y) for y in np.asarray(line.get_ydata())] == ["0.7", "nan"]


def test_the_same_curves_give_the_same_bytes(tmp_path: Path) -> None:
    first = picture_learning.draw("t", CURVES, tmp_path / "a", stem="x")
    again = picture_learning.draw("t", CURVES, tmp_path / "b", stem="x")
    assert [p.name for p in first] == ["x.svg", "x.png"]
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in again]


def test_nothing_is_drawn_of_nothing(tmp_path: Path) -> None:
    assert picture_learning.draw("t", {0: []}, tmp_path, stem="x") == []
    assert list(tmp_path.iterdir()) == []
