"""Learning curves among a rung's metrics: their points are metrics that are named `METRIC@STEP`, such as `score@30`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.ledger.records import Score

_POINT = re.compile(r"(.+)@(\d{1,9})")
_BARS = "▁▂▃▄▅▆▇█"


def point(name: str) -> tuple[str, int] | None:
    """The metric and the step of a point; None for a metric that is none."""
    found = _POINT.fullmatch(name)
    return None if found is None else (found.group(1), int(found.group(2)))


def without_points(metrics: Iterable[str]) -> list[str]:
    """The metrics that are no points, in their order."""
    return [name for name in metrics if point(name) is None]


def curves(metrics: Mapping[str, float]) -> dict[str, tuple[tuple[int, float], ...]]:
    """The points (step, value) of each metric that has any, in the order of their steps."""
    out: dict[str, list[tuple[int, float]]] = {}
    for name, value in metrics.items():
        if (at := point(name)) is not None:
            out.setdefault(at[0], []).append((at[1], value))
    return {metric: tuple(sorted(points)) for metric, points in out.items()}


def mean_curves(seeds: Iterable[Mapping[str, float]]) -> dict[str, tuple[tuple[int, float], ...]]:
    """The curves averaged over the metrics of several seeds, as far as the trainings of all of them have come."""
    each = [curves(metrics) for metrics in seeds]
    out = {}
    for metric in each[0] if each else ():
        values = [dict(one.get(metric, ())) for one in each]
        shared = [step for step in values[0] if all(step in one for one in values)]
        if shared:
            out[metric] = tuple((step, sum(one[step] for one in values) / len(values)) for step in shared)
    return out


def by_seed(scores: Iterable[Score]) -> dict[int, dict[str, float]]:
    """Metrics by seed, as the ledger has them one by one."""
    out: dict[int, dict[str, float]] = {}
    for score in scores:
        out.setdefault(score.seed, {})[score.metric] = score.value
    return out


def means(scores: Sequence[tuple[str, float]]) -> dict[str, float]:
    """The mean of each metric over the seeds."""
    by_name: dict[str, list[float]] = {}
    for metric, value in scores:
        by_name.setdefault(metric, []).append(value)
    with np.errstate(all="ignore"):
        return {metric: float(np.mean(values)) for metric, values in by_name.items()}


def spark(values: Sequence[float]) -> str:
    """A curve in one line: a bar for each value between the least and the largest, `·` where it is not finite."""
    array = np.asarray(values, dtype=np.float64)
    finite = array[np.isfinite(array)]
    if not finite.size:
        return "·" * array.size
    low, high = float(finite.min()), float(finite.max())
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((v - low) * scale)] if np.isfinite(v) else "·" for v in array.tolist())


def line(points: Sequence[tuple[int, float]]) -> str:
    """A curve for a terminal: bars, and its numbers by step."""
    told = ", ".join(f"{step}: {value:.3f}" for step, value in points)
    return f"{spark([value for _, value in points])}  {told}"
