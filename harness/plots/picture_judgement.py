"""What a judge said at a rung: scores by category, as Figure 4 of arXiv 2406.08414 has them, or prompts by length.

Drawn from what is kept with a run (`judgement-SEED.json`, the rung's metrics): nobody is asked again.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from harness.core.errors import UserError
from harness.plots import canvas

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.figure import Figure

#: What the metric of a category begins with, and those of turns, which are none.
_SCORE, _TURN = "score.", "score.turn_"


def draw(
    title: str, document: Mapping[str, Any], means: Mapping[str, Mapping[str, float]], folder: Path, *, stem: str
) -> list[Path]:
    """Write `<stem>.svg` and `<stem>.png`. Raises UserError for a document that is none.

    `means` are the metrics of the rung by name, the candidate's first, then the baseline's.
    """
    try:
        categories = {who: _categories(metrics) for who, metrics in means.items()}
        with canvas.settings():
            figure = (
                categories_figure(title, categories) if all(categories.values()) else prompts_figure(title, document)
            )
            return canvas.save(figure, folder, stem)
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            "this is no judgement that can be drawn", remedy="see what `harness show` says of it"
        ) from error


def _categories(metrics: Mapping[str, float]) -> dict[str, float]:
    return {n.removeprefix(_SCORE): v for n, v in metrics.items() if n.startswith(_SCORE) and not n.startswith(_TURN)}


def categories_figure(title: str, categories: Mapping[str, Mapping[str, float]]) -> Figure:
    """A radar of mean scores, 0 to 10, a line for each name; two categories and fewer are bars."""
    names = sorted(set.intersection(*(set(values) for values in categories.values())))
    figure = canvas.new_figure(5.6, 5.2)
    figure.suptitle(canvas.plain_label(title))
    round_ = len(names) > 2
    panel: Any = figure.add_subplot(projection="polar" if round_ else None)
    for place, (who, values) in enumerate(categories.items()):
        colour = canvas.ACCENT if place == 0 else canvas.REFERENCE
        heights = [values[name] for name in names]
        label = canvas.plain_label(f"{who}: {sum(heights) / len(heights):.2f}")
        if round_:
            angles = [2.0 * math.pi * n / len(names) for n in range(len(names))]
            panel.plot(
                [*angles, angles[0]], [*heights, heights[0]], color=colour, marker="o", markersize=3, label=label
            )
        else:
            at = [n + 0.36 * place for n in range(len(names))]
            panel.bar(at, heights, width=0.34, color=colour, label=label)
    labels = [canvas.plain_label(name) for name in names]
    if round_:
        panel.set_xticks([2.0 * math.pi * n / len(names) for n in range(len(names))], labels)
    else:
        panel.set_xticks([n + 0.18 for n in range(len(names))], labels)
    panel.set_ylim(0.0, 10.0)
    panel.tick_params(axis="x", pad=10 if round_ else 3)
    panel.legend(loc="lower right", bbox_to_anchor=(1.05, -0.08))
    return figure


def prompts_figure(title: str, document: Mapping[str, Any]) -> Figure:
    """How much each prompt's answer is preferred over the baseline's, by the difference in length; and the mean."""
    effects: Mapping[str, float] = document["effects"]
    mine, base = document["lengths"]["candidate"], document["lengths"]["baseline"]
    gaps = [mine[name] - base[name] for name in effects]
    values = list(effects.values())
    figure = canvas.new_figure(8.4, 3.4)
    figure.suptitle(canvas.plain_label(title))
    left, right = figure.subplots(1, 2)
    left.axhline(0.0, color=canvas.MUTED, linewidth=0.8)
    left.axvline(0.0, color=canvas.MUTED, linewidth=0.8)
    often = Counter(zip(gaps, values, strict=True))  # a larger dot for more prompts
    at = [list(each) for each in zip(*often, strict=True)] or [[], []]
    left.scatter(*at, color=canvas.ACCENT, s=[18 * count for count in often.values()], alpha=0.6, linewidths=0)
    left.set_xlabel("characters more than the baseline's answer")
    left.set_ylabel("preference over the baseline")
    left.set_ylim(-1.1, 1.1)
    so_far = [sum(values[: n + 1]) / (n + 1) for n in range(len(values))]
    right.axhline(0.0, color=canvas.MUTED, linewidth=0.8)
    right.plot(range(1, len(values) + 1), so_far, color=canvas.ACCENT)
    right.set_xlabel("prompts, in the order of the file")
    right.set_ylabel("mean preference so far")
    right.set_ylim(-1.1, 1.1)
    return figure
