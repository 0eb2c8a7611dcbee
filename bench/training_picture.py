"""The picture of docs/realistic.md: what batches look like in training, and what is drawn for a check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter

from harness.core.files import save_bytes
from harness.plots import canvas

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: How each source is drawn: what was logged in colours, the generators in ink and grey.
STYLES: dict[str, dict[str, Any]] = {
    "reviews": {"color": canvas.ACCENT, "linestyle": "-"},
    "control": {"color": canvas.CAUTION, "linestyle": "-"},
    "fine-tune": {"color": canvas.ALARM, "linestyle": "-"},
    "realistic": {"color": canvas.INK, "linestyle": "-", "linewidth": 2.2},
    "before": {"color": canvas.REFERENCE, "linestyle": "--"},
}
NAMES = {
    "reviews": "logged: reviews",
    "control": "logged: control",
    "fine-tune": "logged: fine-tune",
    "realistic": "drawn since profile 2026.2",
    "before": "drawn for direction and gradients before",
}
_SIGNED = (-1000, -100, -10, -1, 1, 10, 100, 1000)
TICKS = {"chosen": _SIGNED, "rejected": _SIGNED, "reference": _SIGNED} | {
    "nats": (0.03, 0.1, 0.3, 1, 3, 10),
    "length": (1, 10, 100, 1000),
    "ratio": (1, 3, 10, 30, 100),
}


def draw(found: Mapping[str, Mapping[str, np.ndarray]], looks: Mapping[str, str], path: Path) -> None:
    """One panel for each look: the share of pairs below a number, by source."""
    with canvas.settings():
        figure = canvas.new_figure(11.0, 6.4)
        panels = figure.subplots(2, 3).reshape(-1)
        for panel, (what, words) in zip(panels, looks.items(), strict=True):
            for name, seen in found.items():
                share = np.linspace(0.0, 1.0, 201)
                panel.plot(np.quantile(seen[what], share), share, label=NAMES[name], **STYLES[name])
            if what in {"nats", "length", "ratio"}:
                panel.set_xscale("log")
            else:
                panel.set_xscale("symlog", linthresh=1.0)
            panel.xaxis.set_major_locator(FixedLocator(TICKS[what]))
            panel.xaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))
            panel.xaxis.set_minor_locator(FixedLocator([]))
            panel.set_xlabel(words)
        for panel in panels[::3]:
            panel.set_ylabel("share of pairs below")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=5)
        save_bytes(canvas.to_svg(figure), path)
