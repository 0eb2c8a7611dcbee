"""The picture of reward against divergence: what is in it, and that it is the same every time."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from harness.core.errors import UserError
from harness.plots import picture_frontier as picture

if TYPE_CHECKING:
    from pathlib import Path


def metrics(shift: float = 0.0) -> dict[str, float]:
    out = {"reference_reward": 0.55, "reward": 0.7, "kl": 2.0}
    for beta, kl, reward in ((0.5, 1.5, 0.8), (1.0, 0.8, 0.7), (5.0, math.inf, 0.0)):
        out |= {f"kl_at_{beta:g}": kl, f"reward_at_{beta:g}": reward + shift}
    return out


def curves() -> list[picture.Curve]:
    return [picture.curve_of(name, {0: metrics(), 1: metrics(0.02)}) for name in ("dpo", "slic", "lrml", "mine <b>")]


def test_a_curve_has_means_over_seeds_and_names_betas_that_were_lost() -> None:
    (curve, *_) = curves()
    assert [p.beta for p in curve.points] == [0.5, 1.0]
    assert curve.lost == (5.0,)
    assert curve.points[1].reward == pytest.approx(0.71)
    assert curve.points[1].spread == pytest.approx(0.02 / math.sqrt(2))
    assert curve.reference_reward == pytest.approx(0.55)
    with pytest.raises(ValueError, match="no single betas"):
        picture.curve_of("dpo", {0: {"reward": 0.5}})


def test_the_picture_names_the_references_and_is_the_same_twice(tmp_path: Path) -> None:
    one, two = (picture.draw(curves(), tmp_path / name, stem="frontier") for name in ("one", "two"))
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in two]
    svg = ET.fromstring(one[0].read_bytes())  # noqa: S314 - our own text, which is what is tested
    words = " ".join("".join(e.itertext()) for e in svg.iter("{http://www.w3.org/2000/svg}text"))
    for said in ("DPO", "SLiC", "DiscoPOP", "mine <b>", "not finite at beta 5", "KL(policy", "before training", "0.5"):
        assert said in words
    with Image.open(one[1]) as image:
        assert min(image.size) > 600
        colours = image.convert("RGB").getcolors(1_000_000)
        assert colours is not None
        assert len(colours) > 20


def test_curves_are_kept_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    picture.keep(curves(), path, settings={"betas": (0.5, 1.0)}, seeds=2)
    assert picture.read(path.read_bytes()) == tuple(curves())
    for data in (b"{", b"[]", b'{"curves": [{"name": 1}]}'):
        with pytest.raises(UserError):
            picture.read(data)


def test_the_references_that_come_along_are_the_three_of_the_rung() -> None:
    assert [c.name for c in picture.references()] == ["dpo", "slic", "lrml"]
    assert all(len(c.points) >= 3 for c in picture.references())
