"""The picture of several losses: value above, slope below, over the same rho, with a column for each beta."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.plots import canvas

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: The middle of each curve is shown whole, |beta rho| up to this: an exponential must not flatten the rest.
_MIDDLE = 1.5
#: So many times as large as most is far larger.
_APART = 10.0


@dataclass(frozen=True)
class Drawn:
    """One loss at one beta: value and slope d(value)/d(rho) at each rho in nats, NaN and infinities among them."""

    rho: np.ndarray
    value: np.ndarray
    slope: np.ndarray


def draw(losses: Mapping[str, Mapping[float, Drawn]], folder: Path, *, stem: str) -> list[Path]:
    """Write `<stem>.svg` and `<stem>.png`; the same curves, by loss and beta, give the same bytes. Raises UserError."""
    with canvas.settings():
        return canvas.save(losses_figure(losses), folder, stem)


def losses_figure(losses: Mapping[str, Mapping[float, Drawn]]) -> Figure:
    """Draw all losses into the two panels of each beta."""
    betas = sorted({beta for by_beta in losses.values() for beta in by_beta})
    figure = canvas.new_figure(max(5.0, 3.1 * len(betas) + 0.6), 5.4)
    rows = figure.subplots(2, len(betas), sharex=True, squeeze=False, height_ratios=(3, 2))
    looks = canvas.looks(list(losses))
    for column, beta in enumerate(betas):
        shown = {name: by_beta[beta] for name, by_beta in losses.items() if beta in by_beta}
        value, slope = rows[0][column], rows[1][column]
        for place, (name, one) in enumerate(shown.items()):
            look = looks[name]
            for axes, ys in ((value, one.value), (slope, one.slope)):
                axes.plot(
                    one.rho,
                    np.where(np.isfinite(ys), ys, np.nan),
                    color=look.colour,
                    linestyle=look.line,
                    linewidth=1.8,
                    label=canvas.title_of(name),
                )
            _not_finite(value, one, look.colour, 0.97 - 0.035 * place)
        # As far as DPO's value and slope reach, whether it is in the picture or not.
        reach = max(float(np.abs(one.rho).max()) for one in shown.values())
        _limit(value, beta, [(o.rho, o.value) for o in shown.values()], float(np.logaddexp(0.0, beta * reach)))
        _limit(slope, beta, [(o.rho, o.slope) for o in shown.values()], beta)
        for axes in (value, slope):
            axes.axvline(0, color=canvas.MUTED, linewidth=0.8, zorder=1.5)
        slope.axhline(0, color=canvas.MUTED, linewidth=0.8, zorder=1.5)
        slope.set_xlabel("rho (nats)")
        value.set_title(f"beta {beta:g}", loc="left", fontsize=10.5, pad=8)
    rows[0][0].set_ylabel("loss")
    rows[1][0].set_ylabel("slope (loss per nat)")
    figure.align_ylabels(list(rows[:, 0]))
    handles, labels = rows[0][0].get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=4)
    return figure


def _not_finite(axes: Axes, one: Drawn, colour: str, height: float) -> None:
    """A bar at the top over the rho where an answer is not finite, in the loss's colour."""
    bad = [bool(b) for b in ~(np.isfinite(one.value) & np.isfinite(one.slope))]
    spans = canvas.spans(bad, [float(r) for r in one.rho])
    for number, (low, high) in enumerate(spans):
        axes.plot(
            [low, high],
            [height, height],
            transform=axes.get_xaxis_transform(),
            color=colour,
            linewidth=4,
            solid_capstyle="butt",
        )
        if not number:
            axes.annotate(
                "not finite",
                (high, height),
                xycoords=axes.get_xaxis_transform(),
                xytext=(3, 0),
                textcoords="offset points",
                fontsize=7,
                va="center",
                color=colour,
            )


def _limit(axes: Axes, beta: float, curves: Sequence[tuple[np.ndarray, np.ndarray]], least: float) -> None:
    """Show the middle of every curve, and of what lies beyond as much as is no larger than it or than `least`.

    Where one is far larger than most, the axis is linear for those and logarithmic beyond.
    """
    finite = [(rho[np.isfinite(ys)], ys[np.isfinite(ys)]) for rho, ys in curves]
    middles = [np.abs(ys[np.abs(beta * rho) <= _MIDDLE]) for rho, ys in finite]
    largest = [float(middle.max()) for middle in middles if middle.size]
    usual = max(least, float(np.median(largest or [0.0])))
    if max(largest, default=0.0) > _APART * usual:
        axes.set_yscale("symlog", linthresh=usual, linscale=2.0)
        first = int(np.floor(np.log10(usual)))
        canvas.signed_ticks(axes.yaxis, [10.0**k for k in range(first + 1, first + 12, 2)])
        return
    bound = max(usual, *largest, 0.0)
    kept = np.concatenate([np.zeros(1), *(ys[np.abs(ys) <= bound] for _, ys in finite)])
    low, high = float(kept.min()), float(kept.max())
    room = 0.08 * (high - low) or 0.1
    axes.set_ylim(low - room, high + 2.5 * room)
