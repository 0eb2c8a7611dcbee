"""`harness leaderboard`: who is ahead, and how surely."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from harness.cli.differences import as_json
from harness.cli.ledgers import ledger_options, name_of, number, read_ledger, state_style
from harness.ladder.board import references, standings
from harness.ladder.own import called, named, namesakes
from harness.ladder.profile import load
from harness.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.ladder.board import Reference, Standing
    from harness.ladder.profile import Ladder


@click.command("leaderboard")
@click.option(
    "--profile",
    default="bandit",
    show_default=True,
    help="The ladder; one of your own as a .toml file, or NAME@DIGEST.",
)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="Most runs that are shown.")
@click.option("--json", "json_wanted", is_flag=True, help="Write JSON to standard output.")
@ledger_options
def leaderboard_command(*, profile: str, limit: int, json_wanted: bool, folder: Path, database: str | None) -> None:
    """Rank runs by the highest rung they were measured at, and there by the mean over seeds with its 95 % interval.

    The baseline has a row of its own, and each run its difference from the baseline on the same seeds, with the
    interval that its gate decides by.
    """
    if profile.endswith(".toml"):
        load(profile)  # what is wrong with the file is told first
    with read_ledger(folder, database) as ledger:
        ladder = named(ledger, profile)
        every = standings(ledger, ladder)
        rows, beside = every[:limit], references(ledger, ladder, every)
        others = [run for run in namesakes(ledger, ladder.name) if run.profile_digest != ladder.digest]
    if json_wanted:
        click.echo(json.dumps(_document(profile, ladder, rows, beside)))
        return
    console = Terminal()
    console.print(_table(ladder, rows, beside))
    for line in _told(ladder, beside):
        console.print(Text(line, style="dim"))
    if others:
        told = ", ".join(called(run.profile, run.profile_digest) for run in others)
        console.print(Text(f"not among these: runs of {told}, other ladders of the same name", style="dim"))


def _document(profile: str, ladder: Ladder, rows: Sequence[Standing], beside: Sequence[Reference]) -> dict[str, Any]:
    """What machines read."""
    gates = {plan.name: plan.gate for plan in ladder.rungs}
    document = []
    for place, row in enumerate(rows, 1):
        one = {
            "rank": place,
            "run": row.run.id,
            "candidate": row.run.candidate,
            "name": row.run.name,
            "state": str(row.run.state),
            **_figures(row),
            "against": row.against,
            "paired": None,
        }
        gate = gates[row.rung]
        if row.difference is not None and gate is not None:
            one["paired"] = {**as_json(row.difference), "alpha": gate.alpha, "looks": len(gate.looks)}
        document.append(one)
    return {
        "schema": "harness.leaderboard/v1",
        "profile": profile,
        "ladder": called(ladder.name, ladder.digest),
        "digest": ladder.digest,
        "baselines": [{"name": one.name, **_figures(one), "settled": one.settled} for one in beside],
        "rows": document,
    }


def _figures(row: Standing | Reference) -> dict[str, Any]:
    means = {name: number(getattr(row, name)) for name in ("mean", "low", "high")}
    return {"rung": row.rung, "metric": row.metric, **means, "seeds": row.seeds}


def _table(ladder: Ladder, rows: Sequence[Standing], beside: Sequence[Reference]) -> Table:
    heads = ("", "candidate", "state", "rung", "metric", "mean", "95 % interval", "seeds")
    table = Table(*heads, "less baseline", "its interval", "run", title=called(ladder.name, ladder.digest))
    waiting = list(beside)
    for place, row in enumerate(rows, 1):
        # A baseline stands above the first run of its rung that is not better.
        while waiting and (waiting[-1].rung != row.rung or not row.mean > waiting[-1].mean):
            if waiting[-1].rung != row.rung and not _above(ladder, waiting[-1].rung, row.rung):
                break
            _add(table, waiting.pop())
        table.add_row(
            str(place),
            Text(name_of(row.run)),
            Text(str(row.run.state), style=state_style(row.run)),
            *_cells(row),
            *_difference(row),
            str(row.run.id),
        )
    while waiting:
        _add(table, waiting.pop())
    return table


def _above(ladder: Ladder, rung: str, other: str) -> bool:
    order = [plan.name for plan in ladder.rungs]
    return order.index(rung) > order.index(other)


def _add(table: Table, one: Reference) -> None:
    table.add_row("", Text(one.name, style="bold"), Text("baseline", style="bold"), *_cells(one), "", "", "")


def _cells(row: Standing | Reference) -> tuple[Text | str, ...]:
    spread = f"{row.low:.3f} to {row.high:.3f}" if math.isfinite(row.high - row.low) else ""
    return Text(row.rung), Text(row.metric), f"{row.mean:.3f}", spread, str(row.seeds)


def _difference(row: Standing) -> tuple[str, str]:
    found = row.difference
    if found is None:
        return "", ""
    spread = f"{found.low:+.3f} to {found.high:+.3f}" if math.isfinite(found.high - found.low) else ""
    return f"{found.mean:+.3f}", spread


def _told(ladder: Ladder, beside: Sequence[Reference]) -> list[str]:
    """What the figures of the table are."""
    out = []
    for one in beside:
        gate = next(plan.gate for plan in ladder.rungs if plan.name == one.rung)
        if gate is not None:
            out.append(f"{one.rung}: less {one.name} on the same seeds, {gate.level}, for each run by itself")
        if not one.settled:
            out.append(f"{one.rung}: {one.name} was not the same in all runs; its row is that of the newest")
    return out
