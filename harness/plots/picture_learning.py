"""Learning curves of a rung: what a training measured on its way, and what it was worth there beside the baseline."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.plots import canvas

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    #: The curves of all seeds, each as (step, value).
    Worth = Sequence[Sequence[tuple[int, float]]]

#: Most quantities that are drawn, each in a panel of its own.
_PANELS = 6
#: What a point says of itself besides what was measured.
_PLACE = frozenset({"step", "done", "total"})


def draw(title: str, curves: Mapping[int, Sequence[Mapping[str, object]]], folder: Path, *, stem: str) -> list[Path]:
    """Write `<stem>.svg` and `<stem>.png`; nothing where no seed has a point. Raises UserError."""
    if not any(curves.values()):
        return []
    with canvas.settings():
        return canvas.save(learning_figure(title, curves), folder, stem)


def draw_worth(title: str, worth: Mapping[str, Mapping[str, Worth]], folder: Path, *, stem: str) -> list[Path]:
    """Write `<stem>.svg` and `<stem>.png` of `worth_figure`; nothing where there is no curve. Raises UserError."""
    if not worth:
        return []
    with canvas.settings():
        return canvas.save(worth_figure(title, worth), folder, stem)


def worth_figure(title: str, worth: Mapping[str, Mapping[str, Worth]]) -> Figure:
    """A panel for each metric: the mean over seeds by step, and each seed as a thin line.

    `worth` holds for each metric and each name (the candidate first, then what it is compared with) the curve of every
    seed, as (step, value).
    """
    names = sorted(worth)[:_PANELS]
    figure = canvas.new_figure(max(4.8, 3.6 * len(names)), 3.0)
    figure.suptitle(canvas.plain_label(title))
    for panel, metric in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for place, (name, seeds) in enumerate(worth[metric].items()):
            colour = canvas.ACCENT if place == 0 else canvas.REFERENCE
            for points in seeds:
                steps, values = zip(*points, strict=True)
                panel.plot(steps, [_number(v) for v in values], color=colour, linewidth=0.6, alpha=0.4)
            columns = list(zip(*seeds, strict=False))  # as far as all seeds have come
            at = [column[0][0] for column in columns]
            mean = [sum(_number(value) for _, value in column) / len(column) for column in columns]
            panel.plot(at, mean, color=colour, marker="o", markersize=3, label=canvas.plain_label(name))
        panel.set_title(canvas.plain_label(metric))
        panel.set_xlabel("step")
    figure.axes[0].legend(frameon=False)
    return figure


def learning_figure(title: str, curves: Mapping[int, Sequence[Mapping[str, object]]]) -> Figure:
    """A panel for each quantity over the units of work that were done; points that are not finite leave a gap."""
    names = sorted({name for points in curves.values() for point in points for name in point} - _PLACE)[:_PANELS]
    figure = canvas.new_figure(3.4 * len(names), 2.8)
    figure.suptitle(canvas.plain_label(title))
    for panel, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for seed, points in sorted(curves.items()):
            shown = [p for p in points if name in p]
            at = [_number(p["done"]) for p in shown]
            panel.plot(at, [_number(p[name]) for p in shown], linewidth=1.2, label=f"seed {seed}")
        panel.set_title(canvas.plain_label(name))
        panel.set_xlabel("work done")
    figure.axes[0].legend(frameon=False)
    return figure


def _number(value: object) -> float:
    try:
        number = float(str(value))  # "nan" and "inf" come as words
    except (TypeError, ValueError):
        return math.nan
    return number if math.isfinite(number) else math.nan
