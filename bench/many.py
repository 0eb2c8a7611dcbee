"""`python -m bench.many`: many files in one command: what the host keeps in memory, and whether the last is as quick.

The candidates are the catalogue's and those that are broken on purpose (what breaks a property takes longest, and
leaves most behind), mixed by a seeded draw, and checked as `harness check FOLDER --jobs N` does it. After each, the
memory of the workers (the largest; resident) and of the command itself is read, and the clock. Writes `many.json` and
its picture, `many.svg`. In place of a target, what is told is how the second half compares with the first.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from bench import machine
from bench.containers import ROOT, candidates
from harness.checks.options import Options
from harness.checks.run import check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.core.result import CheckResult

RESULTS = Path(__file__).with_name("many.json")
PICTURE = RESULTS.with_suffix(".svg")
FILES = 200
#: After so many files the table has a row.
SHOWN = (25, 50, 100, 150, 200)


def mixed(count: int) -> list[Path]:
    """So many different files, the same ones in the same order each time."""
    broken = sorted((ROOT / "tests" / "quality" / "losses").glob("*.py"))
    every = [*candidates(), *broken]
    random.Random(1).shuffle(every)  # noqa: S311 - the same order each time
    if count > len(every):
        raise click.UsageError(f"there are {len(every)} files")
    return every[:count]


def resident(process: int | str = "self") -> float:
    """The resident memory of a process in MiB; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text("utf-8").splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


def measure(paths: Sequence[Path], jobs: int) -> list[dict[str, float]]:
    """Check all of them: after each its number, the seconds so far, and the memory of workers and command in MiB."""
    rows: list[dict[str, float]] = []
    started = time.perf_counter()

    def one(result: CheckResult) -> None:
        if result.verdict.word == "undecided":
            raise RuntimeError(f"{result.path} was not decided: {result.verdict}")
        workers = [resident(process.pid or 0) for process in multiprocessing.active_children()]
        seconds = time.perf_counter() - started
        rows.append(
            {"files": len(rows) + 1, "seconds": seconds, "worker": max(workers, default=0.0), "own": resident()}
        )

    check(paths, Options(jobs=jobs, gpu="none"), lambda _, result: one(result))
    return rows


def summary(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Memory at the end over that in the middle, and the time of the second half over that of the first."""
    half, last = rows[len(rows) // 2 - 1], rows[-1]
    memory = "worker" if last["worker"] else "own"
    return {
        "memory_end_over_middle": round(max(r[memory] for r in rows[-5:]) / half[memory], 3),
        "time_second_half_over_first": round((last["seconds"] - half["seconds"]) / half["seconds"], 3),
    }


def draw(rows: Sequence[dict[str, float]], path: Path) -> None:
    """The two curves."""
    from harness.core.files import save_bytes  # noqa: PLC0415 - loads matplotlib
    from harness.plots import canvas  # noqa: PLC0415 - as above

    files = [row["files"] for row in rows]
    with canvas.settings():
        figure = canvas.new_figure(9.0, 3.2)
        memory, clock = figure.subplots(1, 2)
        memory.plot(files, [row["worker"] or row["own"] for row in rows], color=canvas.INK)
        memory.set_ylabel("largest worker, MiB resident")
        clock.plot(files, [row["seconds"] for row in rows], color=canvas.INK)
        clock.plot([0, files[-1]], [0, rows[-1]["seconds"]], color=canvas.REFERENCE, linestyle="--")
        clock.set_ylabel("seconds")
        for panel in (memory, clock):
            panel.set_xlabel("files checked")
            panel.set_ylim(bottom=0.0)
        save_bytes(canvas.to_svg(figure), path)


@click.command()
@click.option("--files", default=FILES, show_default=True, type=click.IntRange(2), help="Of fewer nothing is kept.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="Candidates at a time.")
def main(files: int, jobs: int) -> None:
    """Measure, print the table, keep it and draw it."""
    before = machine.load()
    rows = measure(mixed(files), jobs)
    told = summary(rows)
    table = Table("files", "seconds", "largest worker, MiB", "command, MiB")
    for row in rows:
        if row["files"] in {*SHOWN, files}:
            table.add_row(f"{row['files']}", *(f"{row[key]:.0f}" for key in ("seconds", "worker", "own")))
    Console().print(table)
    click.echo(json.dumps(told))
    if files >= FILES:
        kept = [{key: round(value, 1) for key, value in row.items()} for row in rows]
        content: dict[str, Any] = {
            "machine": machine.facts(),
            "load_before": before,
            "jobs": jobs,
            **told,
            "rows": kept,
        }
        RESULTS.write_text(json.dumps(content, indent=None, separators=(",", ":")) + "\n", "utf-8")
        draw(rows, PICTURE)


if __name__ == "__main__":
    main()
