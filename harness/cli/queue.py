"""`harness queue`: where everything stands."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.cli.ledgers import (
    as_json,
    ledger_options,
    name_of,
    read_ledger,
    share_of,
    state_style,
    underway_json,
    underway_of,
)
from harness.cli.progress import tell_json
from harness.core import text as sanitize
from harness.ladder.ladder import called
from harness.ledger.records import State
from harness.report.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

    from harness.ledger import Ledger
    from harness.ledger.progress import Underway

_OPEN = (State.RUNNING, State.HELD, State.QUEUED)


@click.command("queue")
@click.option("--all", "everything", is_flag=True, help="Runs that have ended, too.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="Most runs that are shown.")
@click.option("--watch", is_flag=True, help="Show it again every second, until Ctrl-C.")
@click.option("--json", "json_wanted", is_flag=True, help="Write JSON to standard output.")
@ledger_options
def queue_command(
    *, everything: bool, limit: int, watch: bool, json_wanted: bool, folder: Path, database: str | None
) -> None:
    """Show the runs that are queued, running or held, in the order in which they are claimed.

    With --watch and --json, a document a second, each on a line of its own.
    """
    with read_ledger(folder, database) as ledger:
        if json_wanted:
            tell_json(_document(ledger, limit, everything=everything))
            while watch:
                time.sleep(1.0)
                tell_json(_document(ledger, limit, everything=everything))
            return
        console = Terminal()
        if not watch:
            console.print(_view(ledger, limit, everything=everything))
            return
        with Live(console=console, auto_refresh=False) as live:
            while True:
                live.update(_view(ledger, limit, everything=everything), refresh=True)
                time.sleep(1.0)


def _document(ledger: Ledger, limit: int, *, everything: bool) -> dict[str, Any]:
    """What machines read. `counts` are of all runs, also where `limit` leaves some out of `runs`."""
    runs = ledger.runs(states=() if everything else _OPEN, limit=limit)
    lapsed = _lapsed(ledger)
    counts = {str(state): number for state, number in sorted(ledger.counts().items())}
    return {
        "schema": "harness.queue/v1",
        "counts": counts,
        "runs": [{**as_json(run), "lapsed": run.id in lapsed} for run in runs],
        "underway": [
            {"run": run, **underway_json(one)} for run, several in _underway(ledger, lapsed).items() for one in several
        ],
    }


def _lapsed(ledger: Ledger) -> set[int]:
    """The runs whose worker has died or gone away, and that nobody has taken over yet."""
    return {run for run, holder in ledger.holders().items() if holder.lapsed}


def _underway(ledger: Ledger, lapsed: set[int]) -> dict[int, list[Underway]]:
    """What is being trained: what a dead worker was at last is not."""
    return {run: several for run, several in ledger.underway().items() if run not in lapsed}


def _view(ledger: Ledger, limit: int, *, everything: bool) -> Group:
    lapsed = _lapsed(ledger)
    underway = _underway(ledger, lapsed)
    return Group(_table(ledger, underway, lapsed, limit, everything=everything), _told(ledger, underway))


def _table(
    ledger: Ledger, underway: dict[int, list[Underway]], lapsed: set[int], limit: int, *, everything: bool
) -> Table:
    table = Table("run", "candidate", "ladder", "state", "rung", "try", "pri", "")
    for run in ledger.runs(states=() if everything else _OPEN, limit=limit):
        told = [" ".join([one.step, *share_of(one)]) for one in underway.get(run.id, [])]
        told = ["its lease is over"] if run.id in lapsed else told or [sanitize.one_line(run.reason, 80)]
        state = "lapsed" if run.id in lapsed else str(run.state)
        table.add_row(
            str(run.id),
            Text(name_of(run)),
            Text(called(run.profile, run.profile_digest)),
            Text(state, style="yellow" if run.id in lapsed else state_style(run)),
            str(run.rung),
            str(run.attempt),
            str(run.priority),
            Text("\n".join(told)),
        )
    return table


def _told(ledger: Ledger, underway: dict[int, list[Underway]]) -> Text:
    counts = ledger.counts()
    lines = [f"run {run}  {underway_of(one)}\n" for run, several in underway.items() for one in several]
    told = ", ".join(f"{counts[state]} {state}" for state in State if counts.get(state)) or "the ledger is empty"
    return Text("".join(lines) + told)
