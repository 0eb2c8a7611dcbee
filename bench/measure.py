"""Figures: two sides measured in turns, and what came of it."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

#: So many turns are the fewest that a figure is kept of.
LEAST = 7


@dataclass(frozen=True)
class Figure:
    """One number: its values, its unit (empty for a ratio), and the most that it may be, where there is a target."""

    name: str
    what: str
    values: tuple[float, ...]
    target: float | None
    unit: str = ""
    #: Medians of what the figure is made of, by name, in seconds.
    parts: tuple[tuple[str, float], ...] = ()

    @property
    def median(self) -> float:
        """The number that counts."""
        return statistics.median(self.values)

    @property
    def met(self) -> bool:
        """Whether it is within its target."""
        return self.target is None or self.median <= self.target

    def as_json(self) -> dict[str, Any]:
        """The figure for results.json."""
        return {
            "name": self.name,
            "what": self.what,
            "median": round(self.median, 4),
            "min": round(min(self.values), 4),
            "max": round(max(self.values), 4),
            "repetitions": len(self.values),
            "unit": self.unit or "ratio",
            "target": self.target,
            "met": self.met,
            "parts": {name: round(value, 6) for name, value in self.parts},
        }


def in_turns(
    first: Callable[[], float], second: Callable[[], float], times: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Measure two sides in turns, each beginning every other time."""
    ones, others = [], []
    for turn in range(times):
        if turn % 2:
            others.append(second())
            ones.append(first())
        else:
            ones.append(first())
            others.append(second())
        print(f"  turn {turn + 1}: {ones[-1]:.4g} s, {others[-1]:.4g} s", file=sys.stderr)
    return tuple(ones), tuple(others)


def ratio(name: str, what: str, target: float | None, sides: tuple[Side, Side], times: int) -> Figure:
    """The first side over the second, turn by turn. Whoever calls has run both once, so that all is in memory."""
    (one, ours), (other, theirs) = sides
    first, second = in_turns(ours, theirs, times)
    ratios = tuple(a / b for a, b in zip(first, second, strict=True))
    return Figure(name, what, ratios, target, parts=seconds_of({one: first, other: second}))


def seconds_of(sides: Mapping[str, Sequence[float]]) -> tuple[tuple[str, float], ...]:
    """What a figure is made of: the median of each side, in seconds."""
    return tuple((name, statistics.median(values)) for name, values in sides.items())


def figures_table(figures: Sequence[Figure]) -> Table:
    """The figures, as a terminal shows them."""
    table = Table()
    for heading in ("figure", "median", "min", "max", "target", ""):
        table.add_column(heading, justify="left" if heading in {"figure", ""} else "right")
    for figure in figures:
        numbers = (figure.median, min(figure.values), max(figure.values))
        parts = "".join(f"\n  {name}: {1000 * value:.2f} ms" for name, value in figure.parts)
        shown = [f"{n:.2f} {figure.unit}".strip() for n in numbers]
        verdict = "[green]met[/]" if figure.met else "[red]missed[/]"
        target = "none" if figure.target is None else f"≤ {figure.target:g} {figure.unit}".strip()
        table.add_row(figure.what + parts, *shown, target, "" if figure.target is None else verdict)
    return table


def environment() -> dict[str, str]:
    """The environment of a user: bytecode may be kept, nothing is said of threads, no helper has sandboxes ready."""
    own = {k: v for k, v in os.environ.items() if k not in {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}}
    return own | {"HARNESS_WARM": "0"}


def seconds(command: Sequence[str], *, expected: Sequence[int] = (0,), folder: Path | None = None) -> float:
    """Wall-clock seconds of a command, in a folder; its end must be one of the expected ones."""
    started = time.perf_counter()
    done = subprocess.run(
        command, env=environment(), cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    passed = time.perf_counter() - started
    if done.returncode not in expected:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr[-800:]}{done.stdout[-800:]}")
    return passed


Side = tuple[str, "Callable[[], float]"]
