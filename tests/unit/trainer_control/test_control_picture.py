"""The picture of the preference sets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from harness.core.errors import UserError
from harness.plots.picture_control import draw

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.rest
def test_every_set_has_its_row_and_the_same_numbers_give_the_same_picture(small: Path) -> None:
    svg, png = draw(small / "picture.json")
    assert (svg, png) == draw(small / "picture.json")
    assert png.startswith(b"\x89PNG")
    text = svg.decode("utf-8")
    numbers = json.loads((small / "picture.json").read_text("utf-8"))
    for name, title in {"on_policy": "on-policy", "noisy": "noisy", "expert": "expert over reference"}.items():
        assert f"{title}: {numbers['sets'][name]['pairs']} pairs" in text
    assert "0 % of the chosen returned less" in text


@pytest.mark.rest
def test_returns_are_drawn_where_there_is_no_arm(small: Path, tmp_path: Path) -> None:
    numbers = json.loads((small / "picture.json").read_text("utf-8"))
    (tmp_path / "other.json").write_text(json.dumps(numbers | {"kind": "return"}))
    svg, _ = draw(tmp_path / "other.json")
    assert "return up to a step" in svg.decode()
    assert "goal" not in svg.decode()


@pytest.mark.parametrize("content", ["", "[]", '{"kind": "tip"}', '{"kind": "tip", "sets": {"new": {}}}'])
def test_what_holds_no_numbers_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "picture.json").write_text(content)
    with pytest.raises(UserError, match=r"picture\.json"):
        draw(tmp_path / "picture.json")
