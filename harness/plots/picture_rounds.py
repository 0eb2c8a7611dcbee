"""Losses over the rounds of iterative training: length, reward and more, one line a loss, intervals over seeds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.plots import canvas

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    #: Round, mean, and the ends of its interval.
    Points = Sequence[tuple[int, float, float, float]]

_COLOURS = (canvas.REFERENCE, canvas.ACCENT, canvas.ALARM, canvas.CAUTION, canvas.INK)
_DASHES = ("-", "--", ":", "-.")


def draw(panels: Mapping[str, Mapping[str, Points]], folder: Path, *, stem: str) -> list[Path]:
    """Write `<stem>.svg` and `<stem>.png`: a panel for each metric, in it the points of each loss. Raises UserError."""
    with canvas.settings():
        return canvas.save(figure(panels), folder, stem)


def figure(panels: Mapping[str, Mapping[str, Points]]) -> Figure:
    """The first loss is the one that the others are held against. An interval of no width or no end is left out."""
    made = canvas.new_figure(3.4 * len(panels), 3.2)
    for panel, (metric, losses) in zip(made.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for place, (name, points) in enumerate(losses.items()):
            # Side by side, so that no interval hides another.
            at = [number + 0.05 * (place - (len(losses) - 1) / 2) for number, *_ in points]
            means = [mean for _, mean, _, _ in points]
            spans = [(m - low, high - m) if math.isfinite(high - low) else (0.0, 0.0) for _, m, low, high in points]
            panel.errorbar(
                at,
                means,
                yerr=list(zip(*spans, strict=True)),
                color=_COLOURS[place % len(_COLOURS)],
                linestyle=_DASHES[place // len(_COLOURS) % len(_DASHES)],
                marker="o",
                markersize=3,
                linewidth=1.4,
                elinewidth=0.9,
                capsize=2,
                label=canvas.plain_label(name, 24),
            )
        panel.set_title(canvas.plain_label(metric))
        panel.set_xlabel("round")
        panel.set_xticks(sorted({number for points in losses.values() for number, *_ in points}))
    made.axes[0].legend()
    return made
