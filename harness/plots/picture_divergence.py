"""The picture of trainings that stay finite or do not: how low x = beta rho came, beside the stability map's limit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from harness.plots import canvas

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Trained:
    """One training: `x` is the lowest beta rho that it met, `clipped` says how its gradient was."""

    beta: float
    clipped: str
    x: float
    finite: bool
    done: int


def draw(
    losses: Mapping[str, Sequence[Trained]], limits: Mapping[str, Mapping[float, float]], folder: Path, *, stem: str
) -> list[Path]:
    """Write `<stem>.svg` and `<stem>.png`. `limits` are margins in nats by loss and beta, -inf for none."""
    with canvas.settings():
        return canvas.save(divergence_figure(losses, limits), folder, stem)


def divergence_figure(losses: Mapping[str, Sequence[Trained]], limits: Mapping[str, Mapping[float, float]]) -> Figure:
    """Draw a panel for each loss, a column for each beta, and in it a place for each way of clipping."""
    figure = canvas.new_figure(max(7.2, 3.6 * len(losses) + 0.8), 4.6)
    panels = figure.subplots(1, len(losses), sharey=True, squeeze=False)[0]
    clippings = list(dict.fromkeys(one.clipped for trained in losses.values() for one in trained))
    ends = [beta * limit for by_beta in limits.values() for beta, limit in by_beta.items() if math.isfinite(limit)]
    lowest = min([one.x for trained in losses.values() for one in trained] + ends, default=-1.0)
    for axes, (name, trained) in zip(panels, losses.items(), strict=True):
        betas = sorted(limits[name])
        axes.set_yscale("symlog", linthresh=1.0, linscale=0.5)
        canvas.signed_ticks(axes.yaxis, [10.0**k for k in range(12)])
        axes.set_ylim(2.5 * min(lowest, -1.0), 0.0)
        for place, beta in enumerate(betas):
            _limit(axes, place, beta * limits[name][beta])
        for one in trained:
            offset = 0.0 if len(clippings) == 1 else 0.5 * (clippings.index(one.clipped) / (len(clippings) - 1) - 0.5)
            _mark(axes, betas.index(one.beta) + offset, one, clippings.index(one.clipped))
        axes.set_xlim(-0.6, len(betas) - 0.4)
        axes.set_xticks(range(len(betas)), [f"{beta:g}" for beta in betas])
        axes.set_xlabel("beta")
        axes.set_title(canvas.title_of(name), loc="left", fontsize=11, pad=8)
    panels[0].set_ylabel("lowest x = beta rho that the training met")
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=_colour(k), marker="o", linestyle="none", label=f"finite to the end, {clipped}")
        for k, clipped in enumerate(clippings)
    ]
    handles += [
        Line2D([], [], color=_colour(k), marker="x", linestyle="none", label=f"lost after so many steps, {clipped}")
        for k, clipped in enumerate(clippings)
    ]
    handles.append(Patch(facecolor=canvas.ALARM, alpha=0.16, label="not finite, says the stability map"))
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _colour(clipping: int) -> str:
    return (canvas.ACCENT, canvas.CAUTION, canvas.INK, canvas.MUTED)[clipping % 4]


def _limit(axes: Axes, place: int, x: float) -> None:
    """Shade a column from the map's limit on downwards."""
    bottom = axes.get_ylim()[0]
    if x > bottom:
        axes.fill_between([place - 0.45, place + 0.45], bottom, x, color=canvas.ALARM, alpha=0.16, linewidth=0)
        axes.plot([place - 0.45, place + 0.45], [x, x], color=canvas.ALARM, linewidth=1.4)


def _mark(axes: Axes, at: float, one: Trained, clipping: int) -> None:
    axes.plot(
        [at], [one.x], color=_colour(clipping), marker="o" if one.finite else "x", markersize=6, alpha=0.85, zorder=3
    )
    if not one.finite:
        axes.annotate(f"{one.done}", (at, one.x), xytext=(5, 0), textcoords="offset points", fontsize=7.5, va="center")
