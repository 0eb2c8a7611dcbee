"""The picture of docs/power.md: how often a fault of a given size is caught, in all and by each property."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from matplotlib.ticker import FuncFormatter

from harness.core.files import save_bytes
from harness.plots import canvas

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    Curve = tuple[str, Sequence[tuple[float, Sequence[Sequence[str]]]]]

#: Properties that are drawn by themselves, the most telling first.
_SHOWN = 3
_STYLES = ({"color": canvas.ACCENT}, {"color": canvas.CAUTION}, {"color": canvas.REFERENCE})


def draw(curves: Mapping[str, Curve], path: Path, interval: Callable[[int, int], tuple[float, float]]) -> None:
    """A panel for each kind of fault: the share caught by size, its 95 % interval, and the properties that notice."""
    with canvas.settings():
        figure = canvas.new_figure(14.0, 6.4)
        panels = figure.subplots(2, 3).reshape(-1)
        for panel in panels[len(curves) :]:
            panel.set_axis_off()
        for panel, (title, (size, points)) in zip(panels, curves.items(), strict=False):
            sizes = [s for s, _ in points]
            caught = [(sum(bool(rules) for rules in found), len(found)) for _, found in points]
            low, high = zip(*(interval(c, n) for c, n in caught), strict=True)
            panel.fill_between(sizes, low, high, color=canvas.CALM, label="95 % interval")
            panel.plot(sizes, [c / n for c, n in caught], color=canvas.INK, linewidth=2.2, marker="o", label="any")
            by = Counter(rule for _, found in points for rules in found for rule in rules)
            for (rule, _), style in zip(by.most_common(_SHOWN), _STYLES, strict=False):
                shares = [sum(rule in rules for rules in found) / len(found) for _, found in points]
                panel.plot(sizes, shares, linestyle="--", marker=".", label=rule, **style)
            panel.set_xscale("log" if min(sizes) > 0 else "symlog")
            panel.xaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))
            panel.set_ylim(-0.03, 1.03)
            panel.set_title(title, loc="left")
            panel.set_xlabel(size)
            panel.legend(loc="lower right")
        for panel in panels[::3]:
            panel.set_ylabel("share caught")
        save_bytes(canvas.to_svg(figure), path)
