"""Reward against divergence: curves with intervals, rewards at equal divergence, and the picture of them."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from harness.core.errors import UserError
from harness.ladder.frontier import at_equal, curve_of, frontier
from harness.ledger.records import plain
from harness.plots import picture_frontier as picture
from harness.plots.frontier_curves import DIVERGENCES, Curve, read, references
from harness.trainer.reviews import settings

if TYPE_CHECKING:
    from pathlib import Path


def metrics(shift: float = 0.0) -> dict[str, float]:
    out = {"reference_reward": 0.55, "reward": 0.7, "kl": 2.0}
    for beta, kl, reward in ((0.5, 1.5, 0.8), (1.0, 0.8, 0.7), (5.0, math.inf, 0.0)):
        out |= {f"kl_at_{beta:g}": kl, f"kl_token_at_{beta:g}": kl / 10, f"reward_at_{beta:g}": reward + shift}
    return out


def curves() -> list[Curve]:
    return [curve_of(name, {0: metrics(), 1: metrics(0.02)}) for name in ("dpo", "slic", "lrml", "mine <b>", "other")]


def points(*pairs: tuple[float, float]) -> dict[str, float]:
    """One seed's metrics: (divergence, reward) at betas 1, 2, ..."""
    found: dict[str, float] = {}
    for beta, (kl, reward) in enumerate(pairs, 1):
        found |= {f"kl_at_{beta}": kl, f"reward_at_{beta}": reward}
    return found


def test_a_curve_has_means_with_intervals_over_seeds_and_names_betas_that_were_lost() -> None:
    (curve, *_) = curves()
    assert [p.beta for p in curve.points] == [0.5, 1.0]
    assert curve.lost == (5.0,)
    reward = curve.points[1].reward
    assert [reward.mean, reward.seeds] == pytest.approx([0.71, 2])
    assert [reward.low, reward.high] == pytest.approx([0.71 - 12.7062 * 0.01, 0.71 + 12.7062 * 0.01])
    assert curve.reference_reward == pytest.approx(0.55)
    alone = curve_of("dpo", {0: metrics()}).points[0].reward
    assert (alone.low, alone.high, alone.half) == (-math.inf, math.inf, 0.0)
    assert curve_of("dpo", {0: metrics()}, "kl_token").points[0].kl.mean == pytest.approx(0.15)
    assert curve_of("dpo", {0: metrics()}, "kl_forward").points == ()
    with pytest.raises(ValueError, match="no single betas"):
        curve_of("dpo", {0: {"reward": 0.5}})


def test_a_frontier_has_no_point_that_another_beats_and_goes_as_far_as_was_measured() -> None:
    found = frontier(points((2.0, 0.9), (1.0, 0.6), (0.5, 0.7), (1.5, math.nan), (2.5, 0.8), (2.0, 0.85)), "kl")
    assert found == [(0.5, 0.7), (2.0, 0.9), (2.5, 0.9)]
    assert frontier(points((0.5, 0.7), (2.0, 0.9)), "kl") == [(0.5, 0.7), (2.0, 0.9)]
    assert frontier(points((math.inf, 0.0)), "kl") == []


def test_rewards_at_equal_divergence_are_between_measured_points_paired_by_seed() -> None:
    ours = {0: points((0.0, 0.5), (1.0, 0.7)), 1: points((0.0, 0.4), (2.0, 0.8))}
    theirs = {0: points((0.2, 0.5), (0.8, 0.8)), 1: points((0.2, 0.4), (0.8, 0.7))}
    (row,) = at_equal({"ours": ours, "theirs": theirs}, "kl", [0.5])
    own, other, less = row.rewards["ours"], row.rewards["theirs"], row.differences["theirs"]
    assert own is not None
    assert other is not None
    assert less is not None
    assert [own.mean, other.mean] == pytest.approx([0.55, 0.6])
    # 0.65 - 0.6 and 0.55 - 0.5: by seed they are the same, though the rewards are not.
    assert [less.mean, less.low, less.high] == pytest.approx([0.05, 0.05, 0.05])
    assert "ours" not in row.differences


def test_nothing_is_extrapolated() -> None:
    ours, theirs = {0: points((0.1, 0.5), (1.0, 0.7))}, {0: points((0.01, 0.5), (0.04, 0.52))}
    rows = at_equal({"ours": ours, "theirs": theirs}, "kl", [0.05, 0.5, 1.1])
    assert [row.rewards["ours"] is None for row in rows] == [True, False, True]
    assert all(row.rewards["theirs"] is row.differences["theirs"] is None for row in rows)
    seeds = {0: points((0.1, 0.5), (1.0, 0.7)), 1: points((0.6, 0.5), (1.0, 0.7))}
    assert at_equal({"ours": seeds}, "kl", [0.5])[0].rewards["ours"] is None, "one seed did not come there"


def test_divergences_that_nobody_names_lie_on_the_first_loss_at_every_seed() -> None:
    ours = {0: points((0.1, 0.5), (1.0, 0.7)), 1: points((0.4, 0.5), (2.0, 0.7))}
    rows = at_equal({"ours": ours}, "kl")
    assert [row.kl for row in rows] == [0.466, 0.543, 0.632, 0.737, 0.858]
    assert all(row.rewards["ours"] is not None for row in rows)
    assert at_equal({"ours": {0: points((0.1, 0.5)), 1: points((0.2, 0.5))}}, "kl") == []
    assert at_equal({}, "kl") == []


def test_the_picture_names_the_losses_and_is_the_same_twice(tmp_path: Path) -> None:
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
    others = picture.draw(curves(), tmp_path / "three", stem="frontier", divergence="kl_forward")
    assert "KL(reference" in others[0].read_text("utf-8")


def test_curves_are_written_and_read_again() -> None:
    document = {"curves": {"kl": [curve.as_json() for curve in (*curves(), curve_of("one", {0: metrics()}))]}}
    data = json.dumps(plain(document)).encode()
    assert read(data) == (*curves(), curve_of("one", {0: metrics()}))
    for wrong in (
        b"{",
        b"[]",
        b'{"curves": {"kl": [{"name": 1}]}}',
        b'{"curves": {"kl": 1}}',
        data.replace(b"kl", b"lk"),
    ):
        with pytest.raises(UserError):
            read(wrong)


def test_the_references_that_come_along_are_the_three_of_the_rung() -> None:
    assert [c.name for c in references()] == ["dpo", "slic", "lrml"]
    assert all(len(c.points) >= 3 for c in references())
    assert all(p.reward.seeds >= 3 for c in references() for p in c.points)


def test_every_divergence_of_the_rung_has_an_axis() -> None:
    assert tuple(DIVERGENCES) == settings.DIVERGENCES
