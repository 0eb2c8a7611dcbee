"""`make fuzz`: a million inputs over all targets, guided by coverage. Exit code 1 where one breaks a promise.

`run.py [TARGET...]` fuzzes some targets; `run.py --replay TARGET FILE` puts one input to one, without Atheris.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from inputs_kept import CORPUS, FOUND
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from targets import TARGETS
from watchdog import within

if TYPE_CHECKING:
    from collections.abc import Callable

    from targets import Target

HERE = Path(__file__).parent
CRASHES = HERE.parent.parent / "build" / "fuzz"
#: Seconds that one input may take before it counts as a hang, and MiB that a run may use.
HANG, MEMORY = 10, 1024
_AT = re.compile(rb"^#(\d+)\s")
_COVERAGE = re.compile(rb"cov: (\d+)")


@dataclass
class Run:
    """One target's run: how many inputs of how many were put to it, and what came of it."""

    target: Target
    wanted: int
    done: int = 0
    coverage: int = 0
    seconds: float = 0.0
    failed: bool = False
    crashes: list[Path] = field(default_factory=list)
    log: list[bytes] = field(default_factory=list)

    def heard(self, line: bytes) -> None:
        """Take in a line of libFuzzer."""
        if match := _AT.match(line):
            self.done = int(match[1])
            if found := _COVERAGE.search(line):
                self.coverage = int(found[1])
        else:
            self.log = [*self.log, line][-60:]


def main() -> int:
    """Fuzz, or replay."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="over all targets together (default: a million)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="targets at a time")
    parser.add_argument("--seed", type=int, default=1, help="1 and up")
    parser.add_argument("--replay", nargs=2, metavar=("TARGET", "FILE"))
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], metavar="TARGET", help=", ".join(TARGETS))
    wish = parser.parse_args()
    if wish.replay:
        return replay(wish.replay[0], Path(wish.replay[1]))
    if importlib.util.find_spec("atheris") is None:
        sys.stderr.write("fuzz: Atheris is not installed\nnext step: .venv/bin/python -m pip install -e '.[fuzz]'\n")
        return 3
    runs = fuzz([TARGETS[name] for name in wish.targets or TARGETS], wish.inputs, wish.jobs, wish.seed)
    return report(runs, wish.inputs)


def replay(name: str, file: Path) -> int:
    """Put one input to one target; what it breaks is raised here."""
    with within(HANG):
        TARGETS[name](file.read_bytes())
    sys.stdout.write(f"{file} breaks no promise of the target {name}\n")
    return 0


def fuzz(targets: list[Target], inputs: int, jobs: int, seed: int) -> list[Run]:
    """Run each target in a process of its own, the longest first, and show how far they are."""
    shares = sum(target.share for target in targets)
    runs = [Run(target, -(-inputs * target.share // shares)) for target in targets]
    columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bars = {run.target.name: progress.add_task(run.target.name, total=run.wanted, start=False) for run in runs}

        def one(run: Run) -> None:
            bar = bars[run.target.name]
            progress.start_task(bar)
            _fuzz_one(run, seed, lambda: progress.update(bar, completed=run.done))

        with ThreadPoolExecutor(max(1, jobs)) as pool:
            # The slowest one first: the others fill the time beside it.
            list(pool.map(one, sorted(runs, key=lambda run: run.target.name != "conversation")))
    return runs


def _fuzz_one(run: Run, seed: int, tell: Callable[[], None]) -> None:
    name = run.target.name
    kept = CRASHES / name
    kept.mkdir(parents=True, exist_ok=True)
    before = set(kept.iterdir())
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="harness-fuzz-") as grown:
        seeds = [str(folder / name) for folder in (CORPUS, FOUND) if (folder / name).is_dir()]
        command = [sys.executable, str(HERE / "guided.py"), name, f"-runs={run.wanted}", f"-seed={seed}"]
        command += [f"-max_len={run.target.longest}", f"-timeout={HANG}", f"-rss_limit_mb={MEMORY}"]
        command += [f"-artifact_prefix={kept}/", grown, *seeds]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            for line in process.stderr:
                run.heard(line)
                tell()
        run.failed = process.returncode != 0
    run.seconds = time.monotonic() - started
    run.crashes = sorted(set(kept.iterdir()) - before)


def report(runs: list[Run], wanted: int) -> int:
    """The table, and of each input that broke a promise the file and the command that puts it again."""
    console = Console()
    table = Table("target", "inputs", "seconds", "inputs a second", "branches seen", "crashes", title="Fuzzing")
    for run in runs:
        bad = Text(str(len(run.crashes) or int(run.failed)), style="bold red" if run.failed else "green")
        rate = f"{run.done / max(run.seconds, 0.001):,.0f}"
        table.add_row(run.target.name, f"{run.done:,}", f"{run.seconds:.1f}", rate, str(run.coverage), bad)
    console.print(table)
    total = sum(run.done for run in runs)
    console.print(f"{total:,} inputs over {len(runs)} targets")
    for run in runs:
        if run.failed:
            sys.stdout.write(b"".join(run.log).decode("utf-8", "replace"))
        for crash in run.crashes:
            console.print(
                f"replay: {sys.executable} {Path(__file__)} --replay {run.target.name} {crash}", soft_wrap=True
            )
    if any(run.failed for run in runs):
        return 1
    # A run that ended early, for whatever reason, has shown nothing.
    return 0 if total >= wanted else 3


if __name__ == "__main__":
    sys.exit(main())
