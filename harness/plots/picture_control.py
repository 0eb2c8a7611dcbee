"""The picture of the control rung's data: one row for each preference set, drawn from numbers that `prepare` left."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.errors import UserError
from harness.core.files import LINES, read_bytes
from harness.plots import canvas

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TITLES = {
    "on_policy": "on-policy",
    "noisy": "noisy",
    "mixed": "mixed quality",
    "expert": "expert over reference",
}
_PATHS = {
    "tip": "the finger tip, from the goal (m)",
    "return": "return up to a step",
}


def draw(path: Path) -> tuple[bytes, bytes]:
    """Draw `picture.json`: SVG and PNG. Raises UserError for a file that holds no such numbers."""
    try:
        numbers = json.loads(read_bytes(path, LINES))
        with canvas.settings():
            figure = control_figure(numbers)
            return canvas.to_svg(figure), canvas.to_png(figure)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{path} holds no numbers of the control rung's data: {error}", remedy="Prepare the data again."
        ) from error


def control_figure(numbers: dict[str, Any]) -> Figure:
    """Draw for each set a few pairs as paths, by how much the chosen is ahead, and how much likelier it was."""
    sets: dict[str, Any] = numbers["sets"]
    figure = canvas.new_figure(9.6, 2.35 * len(sets))
    grid = figure.subplots(len(sets), 3, squeeze=False)
    for row, (name, content) in zip(grid, sorted(sets.items(), key=lambda kv: [*_TITLES].index(kv[0])), strict=True):
        _paths(row[0], content, numbers["kind"])
        _histogram(row[1], content["ahead"])
        _histogram(row[2], content["likelier"])
        wrong = float(np.mean(np.asarray(content["ahead"]) < 0))
        row[0].set_title(f"{_TITLES[name]}: {content['pairs']} pairs", loc="left", fontsize=10)
        row[1].set_title(f"{100 * wrong:.0f} % of the chosen returned less", loc="left", fontsize=9)
        spread = np.asarray(content["likelier"]).std()
        row[2].set_title(f"SD {spread:.1f} nats", loc="left", fontsize=9)
    grid[-1][0].set_xlabel(_PATHS[numbers["kind"]])
    grid[-1][1].set_xlabel("return of the chosen less that of the rejected")
    grid[-1][2].set_xlabel("log-probability of the chosen less that of\nthe rejected, under the reference (nats)")
    figure.legend(*_key(grid[0][0]), loc="outside lower center", ncols=3)
    return figure


def _paths(axes: Axes, content: dict[str, Any], kind: str) -> None:
    for side, colour, style in (("rejected", canvas.ALARM, "--"), ("chosen", canvas.ACCENT, "-")):
        for index, path in enumerate(content[side]):
            along = np.asarray(path, dtype=np.float64)
            label = side if index == 0 else None
            axes.plot(along[:, 0], along[:, 1], color=colour, linestyle=style, linewidth=1.0, label=label)
            axes.plot(*along[-1], marker="o", markersize=2.5, color=colour)
    if kind == "tip":
        axes.plot(0, 0, marker="*", markersize=9, color=canvas.INK, linestyle="none", label="goal", zorder=5)
        axes.set_aspect("equal", adjustable="datalim")


def _histogram(axes: Axes, values: list[float]) -> None:
    """Counts on both sides of zero; the edges are the same on both, so that no bar crosses it."""
    found = np.asarray(values, dtype=np.float64)
    reach = float(np.abs(found).max()) or 1.0
    edges = np.linspace(-reach, reach, 41).tolist()
    axes.hist(found[found < 0], edges, color=canvas.ALARM)
    axes.hist(found[found >= 0], edges, color=canvas.ACCENT)
    axes.axvline(0, color=canvas.INK, linewidth=0.8)
    axes.set_xlim(-reach, reach)


def _key(axes: Axes) -> tuple[list[Any], list[Any]]:
    handles, labels = axes.get_legend_handles_labels()
    return list(handles), list(labels)
