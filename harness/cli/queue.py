"""`harness queue`: where everything stands."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.cli.ledgers import as_json, ledger_options, name_of, open_ledger, state_style
from harness.ledger.states import State
from harness.report import sanitize

if TYPE_CHECKING:
    from pathlib import Path

    from harness.ledger import Ledger

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
    """Show the runs that are queued, running or held, in the order in which they are claimed."""
    with open_ledger(folder, database) as ledger:
        if json_wanted:
            runs = ledger.runs(states=() if everything else _OPEN, limit=limit)
            counts = {str(state): number for state, number in sorted(ledger.counts().items())}
            click.echo(json.dumps({"schema": "harness.queue/v1", "counts": counts, "runs": [as_json(r) for r in runs]}))
            return
        console = Console()
        if not watch:
            console.print(_table(ledger, limit, everything=everything))
            return
        with Live(console=console, auto_refresh=False) as live:
            while True:
                live.update(_table(ledger, limit, everything=everything), refresh=True)
                time.sleep(1.0)


def _table(ledger: Ledger, limit: int, *, everything: bool) -> Group:
    table = Table("run", "candidate", "ladder", "state", "rung", "attempt", "priority", "")
    for run in ledger.runs(states=() if everything else _OPEN, limit=limit):
        table.add_row(
            str(run.id),
            Text(name_of(run)),
            Text(run.profile),
            Text(str(run.state), style=state_style(run)),
            str(run.rung),
            str(run.attempt),
            str(run.priority),
            Text(sanitize.terminal(run.reason, 80)),
        )
    counts = ledger.counts()
    told = ", ".join(f"{counts[state]} {state}" for state in State if counts.get(state)) or "the ledger is empty"
    return Group(table, Text(told))
