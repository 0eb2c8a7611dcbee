"""Pictures of what a judge said: by category, and by prompt; and documents that are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from harness.core.errors import UserError
from harness.plots import canvas, picture_judgement

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("writing", "math", "stem")
SCORED = {"candidate": {f"score.{k}": 7.0 + n for n, k in enumerate(KINDS)}, "dpo": {f"score.{k}": 6.0 for k in KINDS}}
PROMPTS: dict[str, Any] = {
    "effects": {"a": 1.0, "b": -1.0, "c": 0.0},
    "lengths": {"candidate": {"a": 5, "b": 9, "c": 2}, "baseline": {"a": 4, "b": 9, "c": 7}},
}


def test_scores_are_drawn_by_category_and_turns_are_none(tmp_path: Path) -> None:
    means = {who: {**values, "score.turn_1": 5.0, "score": 6.5} for who, values in SCORED.items()}
    made = picture_judgement.draw("x at mt-bench", PROMPTS, means, tmp_path, stem="mt-bench-judgement")
    assert [path.name for path in made] == ["mt-bench-judgement.svg", "mt-bench-judgement.png"]
    with canvas.settings():
        figure = picture_judgement.categories_figure(
            "x", {who: picture_judgement._categories(v) for who, v in means.items()}
        )
    (panel,) = figure.axes
    assert panel.name == "polar"
    assert [label.get_text() for label in panel.get_xticklabels()] == sorted(KINDS)
    legend = panel.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["candidate: 8.00", "dpo: 6.00"]


def test_two_categories_are_bars() -> None:
    with canvas.settings():
        figure = picture_judgement.categories_figure(
            "x", {"candidate": {"a": 1.0, "b": 2.0}, "dpo": {"a": 3.0, "b": 4.0}}
        )
    panel: Any = figure.axes[0]
    assert [bar.get_height() for bar in panel.patches] == [1.0, 2.0, 3.0, 4.0]


def test_prompts_are_drawn_by_the_difference_in_length() -> None:
    with canvas.settings():
        figure = picture_judgement.prompts_figure("x", PROMPTS)
    left, right = figure.axes
    assert np.asarray(left.collections[0].get_offsets()).tolist() == [[1.0, 1.0], [0.0, -1.0], [-5.0, 0.0]]
    assert np.asarray(right.lines[-1].get_ydata()).tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "document", [{}, {"effects": {"a": 1.0}}, {"effects": 3}, {"effects": {"a": 1.0}, "lengths": {}}]
)
def test_a_document_that_is_none_is_told(tmp_path: Path, document: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="no judgement"):
        picture_judgement.draw("x", document, {"candidate": {}, "dpo": {}}, tmp_path, stem="x")
