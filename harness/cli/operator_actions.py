"""`harness cancel`, `retry` and `approve`: what people decide about runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.cli.ledgers import known_ledger, ledger_options, name_of
from harness.cli.progress import tell

if TYPE_CHECKING:
    from pathlib import Path

    from harness.ledger.records import Run


def _say(run: Run) -> None:
    tell(f"run {run.id}  {name_of(run)}  {run.state}")


@click.command("cancel")
@click.argument("runs", nargs=-1, required=True, type=int, metavar="RUN...")
@click.option("--reason", default="", help="Why; it is kept in the ledger.")
@ledger_options
def cancel_command(runs: tuple[int, ...], *, reason: str, folder: Path, database: str | None) -> None:
    """Take runs out. A worker that has one stops at the next seed."""
    with known_ledger(folder, database) as ledger:
        for run in runs:
            _say(ledger.cancel(run, reason))


@click.command("retry")
@click.argument("runs", nargs=-1, required=True, type=int, metavar="RUN...")
@ledger_options
def retry_command(runs: tuple[int, ...], *, folder: Path, database: str | None) -> None:
    """Queue runs again that failed by a fault of ours or were cancelled; they go on after their last checkpoint."""
    with known_ledger(folder, database) as ledger:
        for run in runs:
            _say(ledger.retry(run))


@click.command("approve")
@click.argument("runs", nargs=-1, required=True, type=int, metavar="RUN...")
@click.option("--no", "refused", is_flag=True, help="End them instead.")
@click.option("--reason", default="", help="Why they are ended.")
@ledger_options
def approve_command(runs: tuple[int, ...], *, refused: bool, reason: str, folder: Path, database: str | None) -> None:
    """Let runs go on that a gate holds for a person before an expensive rung."""
    with known_ledger(folder, database) as ledger:
        for run in runs:
            _say(ledger.refuse(run, reason) if refused else ledger.approve(run))
