"""The pictures: complete, the same bytes every time, and safe whatever a candidate calls itself."""

from __future__ import annotations

import importlib
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pytest
from hostile_texts import HOSTILE
from matplotlib.patches import Rectangle
from page_judges import judge_svg
from PIL import Image
from report_samples import LRML_FACTS, RAISES, banded, facts_of, report, result

from harness.core.errors import UserError
from harness.core.facts import LossFacts
from harness.core.verdict import Rejected
from harness.plots import canvas, plots
from harness.plots.picture_loss import loss_figure, stability_figure

if TYPE_CHECKING:
    from pathlib import Path

    from harness.core.facts import Curve


def read_svg(path: Path) -> ET.Element:
    return ET.fromstring(path.read_bytes())  # noqa: S314 - our own text, which is what is tested


def texts(path: Path) -> str:
    return " ".join("".join(e.itertext()) for e in read_svg(path).iter("{http://www.w3.org/2000/svg}text"))


def test_two_pictures_in_two_formats(tmp_path):
    made = plots.draw(result(), tmp_path / "new")
    assert [p.name for p in made] == [
        "discopop-loss.svg",
        "discopop-loss.png",
        "discopop-stability.svg",
        "discopop-stability.png",
    ]
    for path in made:
        if path.suffix == ".png":
            with Image.open(path) as image:
                assert min(image.size) > 600
                colours = image.convert("RGB").getcolors(1_000_000)
                assert colours is not None
                assert len(colours) > 20


def curve_of(facts) -> Curve:
    curve = LossFacts(facts).curve
    assert curve is not None
    return curve


def test_the_pictures_say_what_they_show(tmp_path):
    plots.draw(result(), tmp_path)
    loss, stability = texts(tmp_path / "discopop-loss.svg"), texts(tmp_path / "discopop-stability.svg")
    for expected in ("log_ratio_modulated_loss, beta 0.05", "DPO", "this loss", "local minimum", "(nats)", "slope"):
        assert expected in loss
    assert "minimum 0.785924" in loss
    for expected in ("≤ −88.73", "≤ −35.49", "≤ −17.75", "operating domain", "value not finite", "beta"):
        assert expected in stability


def test_a_band_and_its_counterexample_are_marked():
    found = curve_of(facts_of(banded))
    with canvas.settings():
        figure = loss_figure("banded", found, [], (RAISES,))
    value, slope = figure.axes
    for axes in (value, slope):
        (band,) = (p for p in axes.patches if p.get_label() == "not finite")
        assert isinstance(band, Rectangle)
        low, high = band.get_x(), band.get_x() + band.get_width()
        assert 2.5 < low < 3.5
        assert 4.2 < high < 5
    marks = [line for line in value.lines if line.get_label() == "counterexample of W202"]
    assert [list(np.asarray(line.get_xdata())) for line in marks] == [[3.75, 3.75]]


@pytest.mark.parametrize(
    ("rho", "marks"),
    [(3.5, 1), ([], 0), (["NaN", -2.0], 1), ("NaN", 0), (float("inf"), 0), (True, 0), ({"a": 1}, 0), (None, 0)],
)
def test_a_counterexample_without_a_finite_rho_is_not_marked(rho, marks):
    finding = replace(RAISES, counterexample={"rho": rho})
    with canvas.settings():
        figure = loss_figure("x", curve_of(LRML_FACTS), [], (finding, replace(RAISES, counterexample=None)))
    labels = [line.get_label() for line in figure.axes[0].lines]
    assert labels.count("counterexample of W202") == marks


def test_no_label_of_the_loss_picture_leaves_it_or_covers_another():
    with canvas.settings():
        figure = loss_figure("x" * 48, curve_of(LRML_FACTS), LossFacts(LRML_FACTS).minima, (RAISES,))
        check_boxes(figure)


@pytest.mark.parametrize("loss", [banded, None], ids=["banded", "lrml"])
def test_no_label_of_the_stability_picture_leaves_it_or_covers_another(loss):
    facts = facts_of(loss) if loss else LRML_FACTS
    with canvas.settings():
        found = LossFacts(facts).stability
        assert found is not None
        check_boxes(stability_figure("x" * 48, found))


def check_boxes(figure) -> None:
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    found = [t for legend in figure.legends for t in legend.get_texts()]
    for axes in figure.axes:
        found += [*axes.texts, axes._left_title, axes.xaxis.label, axes.yaxis.label]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            found += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    boxes = [t.get_window_extent(renderer) for t in found if t.get_text() and t.get_visible()]
    page = figure.bbox
    assert len(boxes) > 10
    for index, box in enumerate(boxes):
        assert page.x0 - 1 <= box.x0
        assert box.x1 <= page.x1 + 1
        for other in boxes[index + 1 :]:
            apart = box.x1 <= other.x0 or other.x1 <= box.x0 or box.y1 <= other.y0 or other.y1 <= box.y0
            assert apart


def test_the_same_facts_give_the_same_bytes(tmp_path):
    one, two = (plots.draw(result(), tmp_path / name) for name in ("one", "two"))
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in two]
    assert not re.search(rb"<dc:date>|\d{4}-\d\d-\d\dT", one[0].read_bytes())


def test_the_users_own_settings_of_matplotlib_have_no_say(tmp_path):
    plots.draw(result(), tmp_path / "one")
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 30, "svg.hashsalt": None}):
        plots.draw(result(), tmp_path / "two")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@pytest.mark.parametrize("text", [HOSTILE[name] for name in ("ansi", "long", "traversal", "surrogate", "math")])
def test_a_hostile_name_is_plain_text_in_the_picture(text, tmp_path):
    facts = {"curve": LRML_FACTS["curve"]}
    made = plots.draw(result(name=text, path=f"x/{text}.py", facts=facts), tmp_path)
    for path in made:
        assert path.parent == tmp_path
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", path.name)
        if path.suffix == ".svg":
            judge_svg(path.read_bytes())


@pytest.mark.parametrize("name", ["$", "$x$ $", "\\frac{1}{2}", "_^{}", "", "   "])
def test_a_name_is_not_read_as_mathematics(name, tmp_path):
    made = plots.draw(result(name=name, facts={"stability": LRML_FACTS["stability"]}), tmp_path)
    assert name.strip() in texts(made[0])


def test_candidates_of_one_name_do_not_overwrite_each_other(tmp_path):
    made = plots.draw_all(report(result(path="a/x.py"), result(path="b/x.py", sha256="12" * 32)), tmp_path)
    assert len(set(made)) == 8
    assert (tmp_path / "x-12121212-loss.svg").exists()


def test_what_the_facts_lack_is_not_drawn(tmp_path):
    assert plots.draw(result(facts={}), tmp_path) == []
    assert len(plots.draw(result(facts={"curve": LRML_FACTS["curve"]}), tmp_path)) == 2


@pytest.mark.parametrize("fill", ["NaN", "Infinity", 0.0, 1e300, -1e30])
def test_a_constant_or_broken_curve_is_still_a_picture(fill, tmp_path):
    curve = {**LRML_FACTS["curve"]}
    curve["value"] = curve["slope"] = [fill] * len(curve["rho"])
    facts = {"curve": curve, "minima": [{"rho": 0.0, "value": fill}]}
    assert len(plots.draw(result(facts=facts), tmp_path)) == 2


def test_a_curve_without_dpo_of_one_point_is_still_a_picture(tmp_path):
    curve = {"beta": 1.0, "rho": [0.0], "value": [0.5], "slope": [0.1]}
    stability = {"beta": [1.0], "rho": [0.0], "state": [[2]]}
    assert len(plots.draw(result(facts={"curve": curve, "stability": stability}), tmp_path)) == 4


def test_a_folder_whose_parent_is_missing_is_refused(tmp_path):
    with pytest.raises(UserError, match="could not be made"):
        plots.draw(result(), tmp_path / "no" / "such")


def test_the_folder_of_a_run_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for place in ("file", "file/below"):
        with pytest.raises(UserError, match="could not be made"):
            plots.make_folder(tmp_path / place, parents=True)
    plots.make_folder(tmp_path / "a" / "b", parents=True)
    assert (tmp_path / "a" / "b").is_dir()


def test_a_link_planted_in_the_folder_is_refused(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "discopop-loss.svg").symlink_to(victim)
    with pytest.raises(UserError, match="symbolic link"):
        plots.draw(result(verdict=Rejected((RAISES,))), tmp_path)
    assert victim.read_text() == "precious"


def test_a_missing_matplotlib_is_told_with_its_remedy(monkeypatch, tmp_path):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(UserError, match="matplotlib") as caught:
        plots.draw(result(), tmp_path)
    assert "[plots]" in caught.value.remedy


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], []),
        ([False, False], []),
        ([True], [(0.0, 0.0)]),
        ([True, True, False, True], [(0.0, 1.5), (2.5, 3.0)]),
        ([False, True, False], [(0.5, 1.5)]),
    ],
)
def test_runs_reach_half_way_to_their_neighbours(flags, expected):
    assert canvas.spans(flags, [float(i) for i in range(len(flags))]) == expected


def test_a_run_ends_where_the_onset_is_known():
    at = [0.0, 1.0, 2.0, 3.0]
    assert canvas.spans([True, True, False, False], at, known=[1.9]) == [(0.0, 1.9)]
    assert canvas.spans([False, True, True, False], at, known=[0.2, 2.0, 2.9]) == [(0.2, 2.0)]
    assert canvas.spans([False, True, True, False], at, known=[1.5]) == [(0.5, 2.5)]
