"""Which loss came from which, and how the best rose: read from a journal, without an engine and without a ledger.

With pictures: the best gain over generations and over compute; learning curves, for models that take a picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.errors import UserError
from harness.discover.track import Row
from harness.plots.plots import require_matplotlib

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from harness.core.verdict import Json
    from harness.discover.proposers import Known

_LINES = 8


@dataclass(frozen=True)
class Node:
    """A measured loss with those it was made from (ids) and those made from it, by first parent."""

    row: Row
    children: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Step:
    """After one attempt: seconds of compute so far, its gain if it has one, and the best gain so far."""

    generation: int
    seconds: float
    gain: float | None
    best: float | None


def rows_of(entries: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The rows of a journal, burn-in first. Raises UserError for entries that are none."""
    try:
        return [Row.read(entry) for entry in entries if entry["kind"] in {"burn-in", "judged"}]
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise UserError(f"this journal is damaged: {error}", remedy="restore it from a copy") from error


def forest(rows: Sequence[Row]) -> list[Node]:
    """The measured losses as trees: each below the first of its parents, roots in the order of their arrival."""
    measured = {row.id: row for row in rows if row.fate == "measured"}
    below: dict[str, list[Node]] = {}
    roots: list[Node] = []
    # From the last to the first: a parent is of an earlier generation, so its children are all there.
    for row in reversed(measured.values()):
        node = Node(row, tuple(reversed(below.get(row.id, []))))
        parent = next((one for one in row.parents if one in measured and measured[one].generation < row.generation), "")
        (below.setdefault(parent, []) if parent else roots).append(node)
    return roots[::-1]


def progress(rows: Sequence[Row]) -> list[Step]:
    """How the best gain rose. The burn-in is generation -1."""
    best: float | None = None
    place = -1
    seconds = 0.0
    out = []
    for row in rows:
        seconds += sum(row.seconds.values())
        gain = row.gain if row.fate == "measured" else None
        if gain is not None and (best is None or (row.place, gain) > (place, best)):
            place, best = row.place, gain
        out.append(Step(row.generation, seconds, gain, best))
    return out


def document(rows: Sequence[Row]) -> list[dict[str, Json]]:
    """Every attempt as JSON, without its code."""
    kept = ("generation", "attempt", "template", "reply", "fate", "rung", "name", "id", "told", "score", "gain", "run")
    out: list[dict[str, Json]] = []
    for row in rows:
        entry: dict[str, Json] = {key: getattr(row, key) for key in kept}
        entry |= {"parents": list(row.parents), "rules": list(row.rules), "same_as": row.same_as}
        entry["seconds"] = sum(row.seconds.values())
        out.append(entry)
    return out


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


def draw_progress(steps: Sequence[Step], metric: str, baseline: str) -> dict[str, bytes]:
    """The best gain so far against generations and against seconds of compute, as SVG and PNG by suffix.

    `steps` are those of `progress`. Raises UserError where matplotlib is missing.
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
