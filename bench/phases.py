"""`python -m bench.phases [LOSS]`: where the time of one check goes, phase by phase.

The phases run one after the other here, so that each can be told apart; `harness check` overlaps the host's imports
with the sandbox's start. From the properties on it is the check itself, whose second sandbox starts while they run.
Processor seconds of both sandboxes are the kernel's own accounting (`bench.used`).
"""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.checks.static import Screened

_ROOT = Path(__file__).resolve().parents[1]
#: What a check calls its own phases, and what they are called here.
_NAMES = {"facts": "facts and stability map", "witness": "the second sandbox is asked", "ranges": "other parameters"}


class Phases:
    """Wall-clock and processor seconds of named phases."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float, float, float, float]] = []
        self.inside: Callable[[], float] = lambda: 0.0

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure what is done inside: wall, this process, its children, the sandboxes."""
        inside, before = self.inside(), _now()
        yield
        wall, own, children = (b - a for a, b in zip(before, _now(), strict=True))
        self.rows.append((name, wall, own, children, self.inside() - inside))


def _now() -> tuple[float, float, float]:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter(), time.process_time(), children.ru_utime + children.ru_stime


@click.command()
@click.argument("loss", type=click.Path(exists=True, path_type=Path), default=_ROOT / "examples" / "dpo.py")
def main(loss: Path) -> None:
    """Check one loss (examples/dpo.py), phase by phase, and print the table."""
    phases = Phases()
    for words, module in (
        ("command line", "harness.cli.check"),
        ("Docker SDK and the oracle", "harness.checks.checker"),
        ("numpy, Hypothesis, properties", "harness.checks.judging"),
    ):
        with phases.phase(f"import: {words}"):
            importlib.import_module(module)
    verdict = _check(loss, phases)
    _show(phases.rows)
    click.echo(f"{loss}: {verdict}")


def _check(loss: Path, phases: Phases) -> str:
    """Check, and give the verdict's word."""
    # By names that type checkers follow: their import was measured above.
    from bench.used import Sandboxes  # noqa: PLC0415
    from harness.checks import judging  # noqa: PLC0415
    from harness.checks.bench import Ready  # noqa: PLC0415
    from harness.checks.checker import Checker  # noqa: PLC0415
    from harness.oracle.sandbox import Sandbox  # noqa: PLC0415

    with contextlib.ExitStack() as stack:
        with phases.phase("engine: connect, find the image, sweep"):
            checker = stack.enter_context(Checker.open())
        with phases.phase("screen"):
            one = checker.screen(loss)
        phases.inside = lambda: sandboxes.seconds
        sandboxes = stack.enter_context(Sandboxes(os.getpid()))
        with phases.phase("engine: create, attach, start"):
            ready = Ready(one, Sandbox(checker.engine, checker.recipe))
        stack.callback(ready.dispose)
        with phases.phase("sandbox: Python, torch"):
            assert ready.sandbox is not None
            ready.sandbox.wait_ready()
            ready.sandbox.wait_ready = lambda: None  # type: ignore[method-assign] # it is, and says so once
        with phases.phase("properties: gather, read the known examples"):
            checker.suite.know()
        with _told(judging, phases):
            verdict = judging.judged(checker, checker.suite, ready).verdict.word
        with phases.phase("engine: remove"):
            ready.dispose()
    return verdict


@contextlib.contextmanager
def _told(judging: Any, phases: Phases) -> Iterator[None]:
    """Meanwhile, what a check times for its report is measured here as well."""
    whole = judging._timed  # noqa: SLF001 - its own name for it, which is what a check calls

    def timed(one: Screened, name: str, what: Callable[[], Any]) -> Any:
        with phases.phase(_NAMES.get(name, name)):
            return whole(one, name, what)

    judging._timed = timed  # noqa: SLF001 - as above
    try:
        yield
    finally:
        judging._timed = whole  # noqa: SLF001 - as above


def _show(rows: list[tuple[str, float, float, float, float]]) -> None:
    table = Table("phase", "wall", "CPU host", "CPU screen", "CPU sandboxes")
    columns = list(zip(*(row[1:] for row in rows), strict=True))
    for name, numbers in [*((row[0], row[1:]) for row in rows), ("all", tuple(map(sum, columns)))]:
        table.add_row(name, *(f"{n:.3f}" if n >= 0.0005 else "" for n in numbers))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
