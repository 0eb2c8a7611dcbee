"""Pictures of a run: learning curves for models that take one; the best score over generations and over compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.plots.plots import require_matplotlib

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.discover.lineage import Step
    from harness.discover.proposers.base import Known

_LINES = 8


def learning_curves(losses: Sequence[Known], metric: str) -> bytes:
    """A PNG with a line for each loss, the best first. Raises UserError where matplotlib is missing."""
    require_matplotlib()
    from harness.plots import canvas  # noqa: PLC0415 - an extra of the package

    with canvas.settings():
        figure = canvas.new_figure(6.4, 4.0)
        axes = figure.add_subplot()
        for loss in losses[:_LINES]:
            steps, values = zip(*loss.learning, strict=True)
            axes.plot(steps, values, marker="o", markersize=3, label=canvas.plain_label(loss.name))
        axes.set_xlabel("step")
        axes.set_ylabel(canvas.plain_label(metric))
        axes.legend()
        return canvas.to_png(figure)


def progress(steps: Sequence[Step], metric: str, baseline: str) -> dict[str, bytes]:
    """The best gain so far against generations and against seconds of compute, as SVG and PNG by suffix.

    `steps` are those of `lineage.progress`. Raises UserError where matplotlib is missing.
    """
    require_matplotlib()
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - as above

    from harness.plots import canvas  # noqa: PLC0415 - as above

    with canvas.settings():
        figure = canvas.new_figure(9.6, 3.8)
        generations, seconds = [float(s.generation + 1) for s in steps], [s.seconds for s in steps]
        for place, (label, across) in enumerate(
            (("generation (0: burn-in)", generations), ("compute (s)", seconds)), 1
        ):
            axes = figure.add_subplot(1, 2, place)
            axes.axhline(0.0, color=canvas.REFERENCE, linewidth=1.0, label=canvas.plain_label(baseline))
            alive = [(x, s.gain) for x, s in zip(across, steps, strict=True) if s.gain is not None]
            axes.plot(*_columns(alive), "o", color=canvas.REFERENCE, markersize=4, label="proposal")
            best = [(x, s.best) for x, s in zip(across, steps, strict=True) if s.best is not None]
            axes.step(*_columns(best), where="post", color=canvas.ACCENT, label="best so far")
            axes.set_xlabel(label)
            axes.set_ylabel(canvas.plain_label(f"gain in {metric} over {baseline}"))
            if place == 1:
                axes.xaxis.set_major_locator(MaxNLocator(integer=True))
                axes.legend(loc="lower right")
        return {"svg": canvas.to_svg(figure), "png": canvas.to_png(figure)}


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in pairs], [y for _, y in pairs]
