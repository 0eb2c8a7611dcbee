"""Learning curves of a rung: what a training measured on its way, a line for each seed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.report.plots import require_matplotlib
from harness.report.save import save_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

#: Most quantities that are drawn, each in a panel of its own.
_PANELS = 6
#: What a point says of itself besides what was measured.
_PLACE = frozenset({"step", "done", "total"})


def draw(title: str, curves: Mapping[int, Sequence[Mapping[str, object]]], folder: Path, *, stem: str) -> list[Path]:
    """Write `<stem>.svg` and `<stem>.png`; nothing where no seed has a point. Raises UserError."""
    require_matplotlib()
    from harness.report import canvas  # noqa: PLC0415

    if not any(curves.values()):
        return []
    folder.mkdir(parents=True, exist_ok=True)
    out = []
    with canvas.settings():
        figure = learning_figure(title, curves)
        for suffix, data in (("svg", canvas.to_svg(figure)), ("png", canvas.to_png(figure))):
            save_bytes(data, folder / f"{stem}.{suffix}")
            out.append(folder / f"{stem}.{suffix}")
    return out


def learning_figure(title: str, curves: Mapping[int, Sequence[Mapping[str, object]]]) -> Figure:
    """A panel for each quantity over the units of work that were done; points that are not finite leave a gap."""
    from harness.report import canvas  # noqa: PLC0415

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
