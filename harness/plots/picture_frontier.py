"""The picture of reward against divergence over betas: one line a loss, intervals over seeds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.plots import canvas
from harness.plots.frontier_curves import DIVERGENCES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from harness.plots.frontier_curves import Curve

#: How far from its point a beta is written, in points of a text: lines lie close together, so each has another place.
_BESIDE = ((-4, 7), (6, -9), (7, 3), (-2, -13), (-14, 3), (4, 9), (-12, -9), (9, -2))


def draw(
    curves: Sequence[Curve],
    folder: Path,
    *,
    stem: str,
    title: str = "Reward against divergence",
    divergence: str = "kl",
) -> list[Path]:
    """Write `<stem>.svg` and `<stem>.png`; the same curves give the same bytes. Raises UserError."""
    with canvas.settings():
        return canvas.save(frontier_figure(title, curves, divergence), folder, stem)


def frontier_figure(title: str, curves: Sequence[Curve], divergence: str = "kl") -> Figure:
    """Draw the curves over the divergence in nats, each point with its beta and the intervals of both means."""
    figure = canvas.new_figure(7.2, 4.8)
    axes = figure.subplots()
    looks = canvas.looks([c.name for c in curves])
    for place, curve in enumerate(curves):
        look = looks[curve.name]
        label = canvas.title_of(curve.name)
        if curve.lost:
            label += f" (not finite at beta {', '.join(f'{b:g}' for b in curve.lost)})"
        xs, ys = [p.kl.mean for p in curve.points], [p.reward.mean for p in curve.points]
        axes.plot(xs, ys, color=look.colour, marker=look.marker, linestyle=look.line, markersize=5, label=label)
        axes.errorbar(
            xs,
            ys,
            xerr=[p.kl.half for p in curve.points],
            yerr=[p.reward.half for p in curve.points],
            color=look.colour,
            linestyle="none",
            elinewidth=0.7,
            capsize=1.5,
            alpha=0.55,
        )
        for point in curve.points:
            axes.annotate(
                f"{point.beta:g}",
                (point.kl.mean, point.reward.mean),
                xytext=_BESIDE[place % len(_BESIDE)],
                textcoords="offset points",
                fontsize=7,
                color=look.colour,
            )
    before = [c.reference_reward for c in curves if math.isfinite(c.reference_reward)]
    if before:
        level = sum(before) / len(before)
        axes.axhline(level, color=canvas.REFERENCE, linewidth=1, linestyle=":")
        axes.annotate(
            "before training",
            (1.0, level),
            xycoords=("axes fraction", "data"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=canvas.MUTED,
        )
    largest = max((p.kl.mean for c in curves for p in c.points), default=0.0)
    if largest > 10.0:  # one loss that ran away would squeeze all the others
        axes.set_xscale("symlog", linthresh=1.0)
        canvas.signed_ticks(axes.xaxis, [10.0**k for k in range(12) if 10.0**k <= largest])
    axes.set_xlim(0.0, 1.25 * largest or 1.0)  # an interval over a few seeds may be wider than the picture
    axes.set_xlabel(DIVERGENCES[divergence])
    axes.set_ylabel("reward")
    axes.set_title(title, loc="left", fontsize=11, pad=10)
    figure.legend(loc="outside lower center", ncols=2)
    return figure
