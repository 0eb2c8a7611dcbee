"""The second picture: where over rho and beta the answers are finite."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from harness.plots import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.core.facts import StabilityMap

_COLOURS = {0: canvas.CALM, 1: canvas.CAUTION, 2: canvas.ALARM}
_LABELS = {0: "finite", 1: "gradient not finite", 2: "value not finite"}
#: Up to this |rho| the axis is linear; beyond, each decade takes the same room.
_LINEAR = 10.0


def stability_figure(title: str, found: StabilityMap) -> Figure:
    """Draw one row for each beta over rho in nats, the operating domain outlined, each onset labelled."""
    figure = canvas.new_figure(7.2, 4.6)
    axes = figure.subplots()
    axes.grid(visible=False)
    order = sorted(range(len(found.beta)), key=lambda i: found.beta[i])
    low, high = min(found.rho), max(found.rho)
    if low == high:
        low, high = low - 1, high + 1
    if max(abs(low), abs(high)) > 5 * _LINEAR:
        axes.set_xscale("symlog", linthresh=_LINEAR, linscale=0.6)
        _symlog_ticks(axes, max(abs(low), abs(high)))
    axes.set_xlim(low, high)
    axes.set_ylim(-0.5, len(order) - 0.5)
    for row, index in enumerate(order):
        _row(axes, row, found, index)
    _outline(axes, [found.beta[i] for i in order], found, (low, high))
    _onsets(axes, [found.beta[i] for i in order], found, (low, high))
    axes.set_yticks(range(len(order)), [f"{found.beta[i]:g}" for i in order])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylabel("beta")
    axes.set_xlabel("rho: margin of the policy over the reference (nats)")
    present = sorted({s for row in found.state for s in row} & _COLOURS.keys())
    handles = [Patch(facecolor=_COLOURS[s], label=_LABELS[s]) for s in present]
    outline = Line2D([], [], color=canvas.INK, linewidth=1.6, label=f"operating domain (|beta rho| <= {found.reach:g})")
    axes.set_title(f"{title}, where its answers are finite", loc="left", fontsize=11, pad=10)
    figure.legend(handles=[*handles, outline], loc="outside lower center", ncols=4)
    return figure


def _row(axes: Axes, row: int, found: StabilityMap, index: int) -> None:
    known = _known(found, found.beta[index])
    for state, colour in _COLOURS.items():
        for left, right in canvas.spans([s == state for s in found.state[index]], found.rho, known):
            patch = Rectangle((left, row - 0.46), right - left, 0.92, facecolor=colour, linewidth=0, zorder=1)
            axes.add_patch(patch)


def _known(found: StabilityMap, beta: float) -> list[float]:
    """List the onsets at this beta: they are told more finely than the map's points lie."""
    edges = [e for o in found.onset if math.isclose(o.beta, beta) for e in (o.below, o.above)]
    return [edge for edge in edges if edge is not None]


def _outline(axes: Axes, betas: list[float], found: StabilityMap, window: tuple[float, float]) -> None:
    """Outline the domain in steps: a row is one beta, and stands for no other."""
    inside = [i for i, b in enumerate(betas) if found.domain_beta[0] <= b <= found.domain_beta[1]]
    if not inside:
        return
    right_x, right_y = [], []
    for i in inside:
        edge = found.reach / betas[i]
        right_x += [edge, edge]
        right_y += [i - 0.5, i + 0.5]
    x = np.clip([*right_x, *(-e for e in reversed(right_x)), right_x[0]], *window)
    y = [*right_y, *reversed(right_y), right_y[0]]
    axes.plot(x, y, color=canvas.INK, linewidth=1.6, zorder=3, clip_on=False, solid_joinstyle="miter")


def _onsets(axes: Axes, betas: list[float], found: StabilityMap, window: tuple[float, float]) -> None:
    for onset in found.onset:
        row = next((i for i, b in enumerate(betas) if math.isclose(b, onset.beta)), None)
        if row is None:
            continue
        if onset.below is not None and window[0] <= onset.below <= window[1]:
            _label(axes, row, onset.below, -1, _band(found, onset.beta, onset.below))
        if onset.above is not None and window[0] <= onset.above <= window[1]:
            _label(axes, row, onset.above, 1, _band(found, onset.beta, onset.above))


def _band(found: StabilityMap, beta: float, edge: float) -> tuple[float, float]:
    """Find the run of non-finite answers that begins nearest to this edge."""
    row = next(r for r, b in zip(found.state, found.beta, strict=True) if math.isclose(b, beta))
    runs = canvas.spans([s != 0 for s in row], found.rho, _known(found, beta))
    return min(runs, key=lambda run: min(abs(run[0] - edge), abs(run[1] - edge)), default=(edge, edge))


def _label(axes: Axes, row: int, edge: float, side: int, band: tuple[float, float]) -> None:
    """Write the onset into its band where that has the room, else beside it."""
    sign = "\u2264" if side < 0 else "\u2265"
    text = f"{sign} {edge:.2f}".replace("-", "\N{MINUS SIGN}")
    to_axes = axes.transData + axes.transAxes.inverted()
    left, right = (to_axes.transform((x, 0.0))[0] for x in band)
    inside = right - left > 0.0125 * len(text) + 0.008
    direction = side if inside else -side
    axes.plot([edge, edge], [row - 0.46, row + 0.46], color=canvas.INK, linewidth=1, zorder=4)
    axes.annotate(
        text,
        (edge, row),
        xytext=(direction * 5, 0),
        textcoords="offset points",
        ha="right" if direction < 0 else "left",
        va="center",
        fontsize=8.5,
        color=canvas.PAPER if inside else canvas.INK,
        fontweight="bold" if inside else "normal",
        # Beside its band a label may cross the outline: it has to stay legible.
        bbox=None if inside else {"boxstyle": "round,pad=0.15", "facecolor": canvas.CALM, "edgecolor": "none"},
        zorder=5,
    )


def _symlog_ticks(axes: Axes, reach: float) -> None:
    decades = [10.0**k for k in range(1, 12) if 10.0**k <= reach]
    axes.xaxis.set_major_locator(FixedLocator([*(-d for d in reversed(decades)), 0.0, *decades]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}".replace("-", "\N{MINUS SIGN}")))
