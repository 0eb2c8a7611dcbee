"""Candidate and baseline beside each other on the same seeds, at the level of the gate that decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table
from rich.text import Text

from harness.ladder.curves import without_points
from harness.ledger.records import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.ladder.gate import Difference, Gate

    Seeds = Mapping[int, Mapping[str, float]]


def difference_table(rung: str, gate: Gate, candidate: Seeds, baseline: Seeds) -> Table:
    """All metrics of a rung; the intervals are those of the gate's sentence, whichever metric it is."""
    table = Table("metric", "candidate", gate.against, "difference", gate.level, title=rung)
    for metric, own, base, found in _rows(gate, candidate, baseline):
        spread = f"{found.low:+.3f} to {found.high:+.3f}" if np.isfinite(found.high - found.low) else ""
        table.add_row(Text(metric), f"{own:.3f}", f"{base:.3f}", f"{found.mean:+.3f}", spread)
    return table


def difference_json(gate: Gate, candidate: Seeds, baseline: Seeds) -> dict[str, Any]:
    """The same for machines."""
    return {
        "against": gate.against,
        "alpha": gate.alpha,
        "looks": len(gate.looks),
        "metrics": {
            metric: {"candidate": plain(own), "baseline": plain(base), **as_json(found)}
            for metric, own, base, found in _rows(gate, candidate, baseline)
        },
    }


def as_json(found: Difference) -> dict[str, Any]:
    """A difference for machines."""
    figures = {"difference": found.mean, "low": found.low, "high": found.high}
    return {**{name: plain(value) for name, value in figures.items()}, "seeds": found.seeds}


def _rows(gate: Gate, candidate: Seeds, baseline: Seeds) -> Iterator[tuple[str, float, float, Difference]]:
    names = sorted({name for metrics in candidate.values() for name in metrics})
    for metric in without_points(names):
        own, base = (
            float(np.mean([seeds[s].get(metric, np.nan) for s in sorted(candidate)])) for seeds in (candidate, baseline)
        )
        yield metric, own, base, gate.difference(candidate, baseline, metric)
