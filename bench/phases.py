"""`python -m bench.phases [LOSS]`: where the time of one check goes, phase by phase.

The phases run one after the other here, so that each can be told apart; `harness check` overlaps the host's
imports with the sandbox's start. Processor seconds of the sandbox come from the engine's own accounting.
"""

from __future__ import annotations

import contextlib
import importlib
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.oracle.sandbox import Sandbox

_ROOT = Path(__file__).resolve().parents[1]


class Phases:
    """Wall-clock and processor seconds of named phases."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float, float, float, float]] = []
        self.inside: Callable[[], float] = lambda: 0.0

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure what is done inside: wall, this process, its children, the sandbox."""
        inside = self.inside()  # the engine takes its time to answer, so it is asked outside of the phase
        before = _now()
        yield
        wall, own, children = (b - a for a, b in zip(before, _now(), strict=True))
        self.rows.append((name, wall, own, children, max(self.inside() - inside, 0.0)))


def _now() -> tuple[float, float, float]:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter(), time.process_time(), children.ru_utime + children.ru_stime


@click.command()
@click.argument("loss", type=click.Path(exists=True), default=str(_ROOT / "examples" / "dpo.py"))
def main(loss: str) -> None:
    """Check one loss (examples/dpo.py), phase by phase, and print the table."""
    phases = Phases()
    with phases.phase("import: command line"):
        importlib.import_module("harness.cli.check")
    with phases.phase("import: Docker SDK and the oracle"):
        checkers: Any = importlib.import_module("harness.checks.checker")
        boxes: Any = importlib.import_module("harness.oracle.sandbox")
    with phases.phase("import: numpy, Hypothesis, properties"):
        judging: Any = importlib.import_module("harness.checks.judging")
    options = importlib.import_module("harness.checks.options").Options()
    with phases.phase("engine: connect, find the image, sweep"):
        checker = checkers.Checker.open(options)
    with phases.phase("screen"):
        one = checker.screen(Path(loss))
    with phases.phase("engine: create, attach, start"):
        sandbox: Sandbox = boxes.Sandbox(checker.engine, checker.recipe)
    container = sandbox.container
    with phases.phase("sandbox: Python, torch"):
        sandbox.wait_ready()
        phases.inside = lambda: _used(checker.engine, container)
    start = phases.inside()
    phases.rows[-1] = (*phases.rows[-1][:4], start)

    with phases.phase("properties: gather"):
        suite = checker.suite
    with phases.phase("load the candidate, first fork"):
        subject = judging.subject_of(checker, sandbox, one)
    with phases.phase("properties"):
        suite(subject)
    with phases.phase("facts and stability map"):
        judging.facts_of(subject)
    phases.inside = lambda: 0.0
    with phases.phase("engine: remove"):
        sandbox.close()
    _show(phases.rows)


def _used(engine: Any, container: str) -> float:
    """Processor seconds that a container has used."""
    usage = engine.client.stats(container, stream=False, one_shot=True)
    return float(usage["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9


def _show(rows: list[tuple[str, float, float, float, float]]) -> None:
    table = Table("phase", "wall", "CPU host", "CPU screen", "CPU sandbox")
    columns = list(zip(*(row[1:] for row in rows), strict=True))
    for name, numbers in [*((row[0], row[1:]) for row in rows), ("all", tuple(map(sum, columns)))]:
        table.add_row(name, *(f"{n:.3f}" if n >= 0.0005 else "" for n in numbers))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
