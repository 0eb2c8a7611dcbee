"""`make redteam`: the whole corpus in every mode, as a table by class. Exit code 1 where anything is not as it must be.

`redteam.py [--mode MODE]... [NAME...]` runs some modes, or cases whose names begin so.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))  # where the tests' shared modules are

from attack import Attack, run
from cases import MODES, Case, load, titles
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from harness.core.text import terminal
from harness.setup import gvisor


def main() -> int:
    """Run what was asked for and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", action="append", choices=MODES)
    parser.add_argument("names", nargs="*")
    wish = parser.parse_args()
    cases = [c for c in load() if not wish.names or c.name.startswith(tuple(wish.names))]
    modes = wish.mode or list(MODES)
    console = Console()
    if "gVisor" in modes and not gvisor.is_registered():
        console.print(f"gVisor is left out: `make gvisor`, or {gvisor.REMEDY}")
        modes.remove("gVisor")
    started = time.monotonic()
    attacks = [_run(mode, cases, console) for mode in modes]
    console.print(_table(cases, attacks))
    wrong = [(a.mode, c.name, w) for a in attacks for c in cases if a.mode in c.expected and (w := a.verdict_on(c))]
    truths = [(a.mode, "ground truth", w) for a in attacks for w in a.wrong]
    for mode, name, what in (*wrong, *truths):
        console.print(Text(f"{mode}: {name}: {terminal(what, cap=600)}", style="red"))
    done = sum(len(a.seen) for a in attacks)
    console.print(
        f"{len(cases)} cases of {len({c.kind for c in cases})} classes, {done} attacks in {len(attacks)} modes, "
        f"{len(wrong)} not as they must be, {len(truths)} breaches of the ground truth; "
        f"{time.monotonic() - started:.0f} s"
    )
    return 1 if wrong or truths else 0


def _run(mode: str, cases: list[Case], console: Console) -> Attack:
    todo = [case for case in cases if mode in case.expected]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(mode, total=len(todo))

        def told(name: str) -> None:
            progress.advance(bar)
            if not console.is_terminal:
                print(f"{mode}: {name}", file=sys.stderr, flush=True)  # noqa: T201 - a log shows no bar

        return run(mode, cases, told)


def _table(cases: list[Case], attacks: list[Attack]) -> Table:
    table = Table("class", "", "cases", "stopped by", *(a.mode for a in attacks), title="The red team")
    kinds = defaultdict(list)
    for case in cases:
        kinds[case.kind].append(case)
    words = titles()
    for kind in sorted(kinds):
        group = kinds[kind]
        layers = ", ".join(sorted({c.layer for c in group}))
        cells = [_cell(a, [c for c in group if a.mode in c.expected]) for a in attacks]
        table.add_row(str(kind), words[kind], str(len(group)), layers, *cells)
    return table


def _cell(attack: Attack, group: list[Case]) -> Text:
    if not group:
        return Text("")
    good = sum(not attack.verdict_on(case) for case in group)
    seconds = sum(attack.seen[c.name].seconds for c in group if c.name in attack.seen)
    style = "green" if good == len(group) else "bold red"
    return Text(f"{good}/{len(group)}", style=style).append(f"  {seconds:.0f} s", style="dim")


if __name__ == "__main__":
    sys.exit(main())
