"""`harness leaderboard`: who is ahead, and how surely."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.ledgers import ledger_options, name_of, number, read_ledger, state_style
from harness.ladder.board import standings

if TYPE_CHECKING:
    from pathlib import Path


@click.command("leaderboard")
@click.option("--profile", default="bandit", show_default=True, help="The ladder.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="Most rows that are shown.")
@click.option("--json", "json_wanted", is_flag=True, help="Write JSON to standard output.")
@ledger_options
def leaderboard_command(*, profile: str, limit: int, json_wanted: bool, folder: Path, database: str | None) -> None:
    """Rank runs by the highest rung they were measured at, and there by the mean over seeds with its 95 % interval."""
    with read_ledger(folder, database) as ledger:
        rows = standings(ledger, profile)[:limit]
    if json_wanted:
        document = [
            {
                "rank": place,
                "run": row.run.id,
                "candidate": row.run.candidate,
                "name": row.run.name,
                "state": str(row.run.state),
                "rung": row.rung,
                "metric": row.metric,
                "mean": number(row.mean),
                "low": number(row.low),
                "high": number(row.high),
                "seeds": row.seeds,
            }
            for place, row in enumerate(rows, 1)
        ]
        click.echo(json.dumps({"schema": "harness.leaderboard/v1", "profile": profile, "rows": document}))
        return
    table = Table("", "candidate", "state", "rung", "metric", "mean", "95 % interval", "seeds", "run")
    for place, row in enumerate(rows, 1):
        table.add_row(
            str(place),
            Text(name_of(row.run)),
            Text(str(row.run.state), style=state_style(row.run)),
            Text(row.rung),
            Text(row.metric),
            f"{row.mean:.3f}",
            f"{row.low:.3f} to {row.high:.3f}",
            str(row.seeds),
            str(row.run.id),
        )
    Console().print(table)
