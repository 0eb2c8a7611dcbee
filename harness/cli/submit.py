"""`harness submit`: candidates into the queue."""

from __future__ import annotations

from pathlib import Path

import click

from harness.api import read_all, submit
from harness.cli.ledgers import again_option, ladder_option, ledger_options, name_of, open_ledger
from harness.cli.progress import tell, tell_excluded
from harness.ladder.ladder import load
from harness.ladder.needs import check_inputs, missing
from harness.ledger.records import State

#: Known candidates of which is told what they are the same as.
_TOLD = 8


@click.command("submit")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@ladder_option("The ladder to climb, or a .toml file.")
@click.option(
    "--priority", default=0, show_default=True, help="Higher goes first; each step is ten minutes of waiting."
)
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Files or folders to leave out of a folder, as *.py.")
@again_option
@ledger_options
def submit_command(
    paths: tuple[Path, ...],
    *,
    profile: str,
    priority: int,
    exclude: tuple[str, ...],
    again: bool,
    folder: Path,
    database: str | None,
) -> None:
    """Queue candidates for a ladder.

    A candidate has one run for each ladder, however often it is submitted.
    """
    ladder = load(profile)
    candidates = read_all(paths, exclude)  # before a ledger is made for them
    check_inputs(ladder, folder.resolve())  # and before anything is queued
    with open_ledger(folder, database) as ledger:
        done = submit(candidates, ledger=ledger, profile=profile, priority=priority, again=again)
        runs = [ledger.run(one.run) for one in done if not one.fresh][:_TOLD]
        same = [(run, ledger.answering(run)) for run in runs if run.state is State.DUPLICATE]
    tell_excluded(paths, exclude)
    fresh = [one.run for one in done if one.fresh]
    known = [one.run for one in done if not one.fresh]
    if fresh:
        tell(f"queued: {len(fresh)} (run {_numbers(fresh)})")
    if known:
        tell(f"{'queued again' if again else 'in the ledger already'}: {len(known)} (run {_numbers(known)})")
    for run, answering in same:
        told = f"run {run.id} is the same function as run {answering.id}, {name_of(answering)}: {answering.state}"
        tell(f"{told}; --again runs it all the same")
    for need in missing(ladder, folder.resolve(), gpu="auto"):
        tell(f"note: {need.message}: a worker elsewhere has to", err=True)
    tell("next: `harness worker --drain` works on them, `harness queue` shows where they stand", err=True)


def _numbers(runs: list[int]) -> str:
    shown = ", ".join(map(str, runs[:8]))
    return shown if len(runs) <= 8 else f"{shown}, and {len(runs) - 8} more"
