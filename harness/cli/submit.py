"""`harness submit`: candidates into the queue."""

from __future__ import annotations

from pathlib import Path

import click

from harness.api import submit
from harness.cli.ledgers import ledger_options, open_ledger
from harness.cli.telling import tell


@click.command("submit")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option("--profile", default="bandit", show_default=True, help="The ladder to climb, or a .toml file.")
@click.option(
    "--priority", default=0, show_default=True, help="Higher goes first; each step is ten minutes of waiting."
)
@ledger_options
def submit_command(paths: tuple[Path, ...], *, profile: str, priority: int, folder: Path, database: str | None) -> None:
    """Queue candidates for a ladder.

    A candidate has one run for each ladder, however often it is submitted.
    """
    with open_ledger(folder, database) as ledger:
        done = submit(paths, ledger=ledger, profile=profile, priority=priority)
    fresh = [one.run for one in done if one.fresh]
    known = [one.run for one in done if not one.fresh]
    if fresh:
        tell(f"queued: {len(fresh)} (run {_numbers(fresh)})")
    if known:
        tell(f"in the ledger already: {len(known)} (run {_numbers(known)})")
    tell("next: `harness worker --drain` works on them, `harness queue` shows where they stand", err=True)


def _numbers(runs: list[int]) -> str:
    shown = ", ".join(map(str, runs[:8]))
    return shown if len(runs) <= 8 else f"{shown}, and {len(runs) - 8} more"
