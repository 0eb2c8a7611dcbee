"""The pictures of a loss: it and its slope over rho, with DPO in grey; and where over rho and beta it is finite."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from harness.core.numbers import short, to_float
from harness.plots import canvas

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.core.facts import Curve, Point, StabilityMap
    from harness.core.verdict import Finding


#: The picture shows |beta rho| up to this, more where something lies beyond.
_WINDOW = 3.0
_MARKED = 4
_COLOURS = {0: canvas.CALM, 1: canvas.CAUTION, 2: canvas.ALARM}
_LABELS = {0: "finite", 1: "gradient not finite", 2: "value not finite"}
#: Up to this |rho| the axis is linear; beyond, each decade takes the same room.
_LINEAR = 10.0


def loss_figure(title: str, curve: Curve, minima: Sequence[Point], findings: Sequence[Finding]) -> Figure:
    """Draw the value above and the slope below, over the same rho in nats."""
    figure = canvas.new_figure(7.2, 5.6)
    value, slope = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    marks = _counterexamples(findings)
    left, right = _window(curve, minima, [rho for _, rho in marks])
    _panel(value, curve, curve.value, curve.dpo_value, (left, right))
    _by_reference(value, curve)
    _panel(slope, curve, curve.slope, curve.dpo_slope, (left, right))
    slope.axhline(0, color=canvas.MUTED, linewidth=0.8, zorder=1.5)
    for axes in (value, slope):
        axes.axvline(0, color=canvas.MUTED, linewidth=0.8, zorder=1.5)
        for rule, rho in marks:
            label = f"counterexample of {rule}" if axes is value else None
            axes.axvline(rho, color=canvas.ALARM, linewidth=1.3, linestyle=":", label=label, zorder=4)
    _mark_minima(value, [p for p in minima if left <= p.rho <= right])
    slope.set_xlim(left, right)
    slope.set_xlabel("rho: margin of the policy over the reference (nats)")
    value.set_ylabel("loss")
    slope.set_ylabel("slope (loss per nat)")
    value.set_title(f"{title}, beta {curve.beta:g}{curve.held}", loc="left", fontsize=11, pad=10)
    handles, labels = value.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=4)
    figure.align_ylabels([value, slope])
    return figure


def _panel(axes: Axes, curve: Curve, ours: Sequence[float], dpo: Sequence[float], window: tuple[float, float]) -> None:
    rho = np.array(curve.rho)
    y = np.array(ours)
    bad = ~(np.isfinite(curve.value) & np.isfinite(curve.slope))
    if len(dpo) == rho.size:
        # Wider than the loss, so that it shows where both are the same.
        axes.plot(rho, dpo, color=canvas.REFERENCE, linewidth=4.5, label="DPO", zorder=2)
    axes.plot(
        rho,
        np.where(np.isfinite(y), y, np.nan),
        color=canvas.ACCENT,
        linewidth=2,
        label="this loss",
        zorder=3,
    )
    for low, high in canvas.spans([bool(b) for b in bad], curve.rho):
        axes.axvspan(low, high, facecolor=canvas.ALARM, alpha=0.16, linewidth=0, label="not finite", zorder=1)
        axes.axvline(low, color=canvas.ALARM, linewidth=0.8, zorder=1.2)
        axes.axvline(high, color=canvas.ALARM, linewidth=0.8, zorder=1.2)
    limits = _limits(rho, [y, np.array(dpo)], curve.beta, window)
    if limits is not None:
        axes.set_ylim(*limits)


def _by_reference(axes: Axes, curve: Curve) -> None:
    """Draw the value where the reference makes the margin, unless it is the same: a turned sign shows here alone."""
    ours, other = np.array(curve.value), np.array(curve.by_reference)
    if not other.size or np.allclose(ours, other, rtol=1e-6, atol=1e-9, equal_nan=True):
        return
    axes.plot(
        curve.rho,
        np.where(np.isfinite(other), other, np.nan),
        color=canvas.CAUTION,
        linewidth=1.6,
        linestyle="--",
        label="the same rho, made by the reference",
        zorder=2.8,
    )


def _window(curve: Curve, minima: Sequence[Point], marks: list[float]) -> tuple[float, float]:
    """Choose the part of the given rho to show: the middle, and whatever else deserves a look."""
    reach = _WINDOW / curve.beta if curve.beta > 0 else math.inf
    at = [-reach, reach]
    bad = [
        r
        for r, v, s in zip(curve.rho, curve.value, curve.slope, strict=True)
        if not (math.isfinite(v) and math.isfinite(s))
    ]
    # The edge of a band nearest to zero is what a reader looks for, with a little of what follows.
    edges = (max((r for r in bad if r < 0), default=0.0), min((r for r in bad if r >= 0), default=0.0))
    at += [1.15 * edge for edge in edges]
    at += [1.1 * rho for rho in (*marks, *(p.rho for p in minima[:_MARKED])) if math.isfinite(rho)]
    left, right = max(min(at), min(curve.rho)), min(max(at), max(curve.rho))
    return (left, right) if left < right else (min(curve.rho) - 1, max(curve.rho) + 1)


def _limits(
    rho: np.ndarray, columns: list[np.ndarray], beta: float, window: tuple[float, float]
) -> tuple[float, float] | None:
    """Vertical limits that show the middle of the curves: an exponential must not flatten the rest."""
    inside = (rho >= window[0]) & (rho <= window[1])
    middle = inside & (np.abs(beta * rho) <= _WINDOW / 2)
    kept = [c[m][np.isfinite(c[m])] for c in columns if c.size for m in (middle if middle.any() else inside,)]
    # DPO is drawn over the whole window and never grows faster than linearly.
    if columns[1].size:
        kept.append(columns[1][inside & np.isfinite(columns[1])])
    seen = np.concatenate(kept) if kept else np.array([])
    if not seen.size:
        return None
    low, high = float(seen.min()), float(seen.max())
    room = 0.08 * (high - low) or max(0.1, 0.1 * abs(high))
    return low - room, high + room


def _mark_minima(axes: Axes, minima: Sequence[Point]) -> None:
    low, high = axes.get_ylim()
    shown = [p for p in minima[:_MARKED] if low <= p.value <= high]
    if not shown:
        return
    # The labels go below, where no curve is: a minimum is the lowest point near by.
    axes.set_ylim(min(low, min(p.value for p in shown) - 0.24 * (high - low)), high)
    axes.plot(
        [p.rho for p in shown],
        [p.value for p in shown],
        marker="o",
        markersize=6.5,
        color=canvas.ACCENT,
        markeredgecolor=canvas.PAPER,
        linestyle="none",
        label="local minimum",
        zorder=5,
    )
    for point in shown:
        axes.annotate(
            f"minimum {short(point.value)}\nat rho {short(point.rho)}".replace("-", "\N{MINUS SIGN}"),
            (point.rho, point.value),
            xytext=(-14, -16),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=8.5,
            arrowprops={"arrowstyle": "-", "color": canvas.MUTED, "linewidth": 0.8, "shrinkB": 4},
            bbox={"boxstyle": "round,pad=0.2", "facecolor": canvas.PAPER, "edgecolor": "none"},
            zorder=4.5,
        )


def _counterexamples(findings: Sequence[Finding]) -> list[tuple[str, float]]:
    """Pair each rule whose counterexample has a rho (a number, or one per pair) with the first finite one."""
    out: dict[str, float] = {}
    for finding in findings:
        raw = (finding.counterexample or {}).get("rho")
        listed = raw if isinstance(raw, list | tuple) else [raw]
        for item in listed:
            if isinstance(item, int | float) and not isinstance(item, bool) and math.isfinite(item):
                out.setdefault(finding.rule, to_float(item))
                break
    return list(out.items())[:_MARKED]


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
        canvas.signed_ticks(axes.xaxis, [10.0**k for k in range(1, 12) if 10.0**k <= max(abs(low), abs(high))])
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
