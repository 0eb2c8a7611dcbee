"""`harness show`: all that is known of one run."""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from rich.table import Table
from rich.text import Text

from harness.cli.differences import difference_json, difference_table
from harness.cli.ledgers import (
    as_json,
    ledger_options,
    name_of,
    read_ledger,
    state_style,
    underway_json,
    underway_of,
)
from harness.cli.pictures import draw_run
from harness.cli.progress import tell, tell_json
from harness.cli.record_file import write_records
from harness.core import text as sanitize
from harness.core.errors import UserError
from harness.ladder.board import baselines_of
from harness.ladder.curves import by_seed, line, mean_curves, spark, without_points
from harness.ladder.evaluations import OBJECTIVE, RUNG, VALUE, tuned_of
from harness.ladder.ladder import called, ladder_for
from harness.ledger.records import plain
from harness.report.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from harness.ladder.board import Seeds
    from harness.ladder.gate import Gate
    from harness.ledger import Ledger
    from harness.ledger.records import Run, Score


@click.command("show")
@click.argument("run", type=int)
@click.option("--json", "json_wanted", is_flag=True, help="Write JSON to standard output.")
@click.option("--text", is_flag=True, help="Write the candidate's text, as it was submitted.")
@click.option(
    "--report",
    is_flag=True,
    help="Write the JSON report of its properties, or of the screen that refused it, as the worker made it.",
)
@click.option(
    "--records",
    type=click.Path(path_type=pathlib.Path, dir_okay=False),
    metavar="FILE",
    help="Write the signed records of its last way up, for `harness verify`.",
)
@click.option("--plots", type=click.Path(path_type=pathlib.Path, file_okay=False), help="Draw all its pictures there.")
@ledger_options
def show_command(
    run: int,
    *,
    json_wanted: bool,
    text: bool,
    report: bool,
    records: Path | None,
    plots: Path | None,
    folder: Path,
    database: str | None,
) -> None:
    """Show one run: where it stands and why, its metrics by seed, what the gates said, what happened to it."""
    with read_ledger(folder, database) as ledger:
        found = ledger.run(run)
        if plots is not None:
            for path in draw_run(ledger, found, plots):
                tell(str(path))
        elif records is not None:
            _write_records(ledger, run, records)
        elif text:
            program = sanitize.clean(ledger.text(found).decode("utf-8", "replace"), 1 << 20)
            click.echo(sanitize.part_commands(program, program=True))
        elif report:
            click.echo(_report(ledger, run), nl=False)
        elif json_wanted:
            tell_json(document(ledger, found))
        else:
            _print(ledger, found, Terminal())


def _write_records(ledger: Ledger, run: int, path: Path) -> None:
    """All records of a run, a line each. Raises UserError where there are none."""
    made = ledger.sealed(run)
    if not made:
        raise UserError(f"run {run} has no records", remedy="nothing was decided yet, or an older version decided")
    write_records(b"".join(one.line for one in made), path)


def _report(ledger: Ledger, run: int) -> str:
    """The report. It is in the database, whichever machine made it. Raises UserError where there is none yet."""
    there = ledger.attachments(run)
    # Of one that the screen refused there is the screen's alone.
    made = [a for name in ("screen.json", "report.json") for a in there if a.name == name]
    if not made:
        raise UserError(f"run {run} has no report yet", remedy=f"`harness show {run}` says where it stands")
    # What the harness wrote stays as it is.
    return sanitize.part_commands(sanitize.piece(ledger.document(made[-1].sha256).decode("utf-8", "replace")))


def document(ledger: Ledger, run: Run) -> dict[str, Any]:
    """All that a ledger knows of a run, as machines read it."""
    tuned = tuned_of(ledger.events(run.id))
    return {
        "schema": "harness.run/v1",
        "run": as_json(run),
        "scores": {
            rung: [{"seed": s.seed, "metric": s.metric, "value": plain(s.value)} for s in scores]
            for rung, scores in ledger.scores(run.id).items()
        },
        "decisions": [
            {"rung": rung, "decision": d.decision, "reason": d.reason, "detail": dict(d.detail)}
            for rung, d in ledger.decisions(run.id)
        ],
        "differences": {rung: difference_json(*found) for rung, found in _compared(ledger, run).items()},
        "attachments": [dataclasses.asdict(a) for a in ledger.attachments(run.id)],
        **({"answered_by": as_json(answering)} if (answering := ledger.answering(run)).id != run.id else {}),
        "promotions": ledger.promotions(run.id),
        "events": [{"time": e.time, "kind": e.kind, "detail": dict(e.detail)} for e in ledger.events(run.id)],
        "underway": [underway_json(one) for one in ledger.underway(run.id).get(run.id, [])],
        **({"tuned": tuned.as_detail()} if tuned is not None else {}),
    }


def _compared(ledger: Ledger, run: Run) -> dict[str, tuple[Gate, Seeds, Seeds]]:
    """For each rung with a gate: it, the candidate's metrics by seed, and those of the baseline at the same seeds."""
    ladder = ladder_for(ledger, run)
    scores, baselines = ledger.scores(run.id), baselines_of(ledger, run.id)
    out = {}
    for plan in ladder.rungs if ladder is not None else ():
        own, base = by_seed(scores.get(plan.name, ())), baselines.get(plan.name, {})
        if plan.gate is not None and own and set(own) <= set(base):
            out[plan.name] = (plan.gate, own, base)
    return out


def _print(ledger: Ledger, run: Run, console: Console) -> None:
    console.print(Text(f"run {run.id}  {name_of(run)}  {called(run.profile, run.profile_digest)}"))
    console.print(Text(f"{run.state}", style=state_style(run)), Text(sanitize.one_line(run.reason, 400)))
    if (answering := ledger.answering(run)).id != run.id:
        told = f"  run {answering.id}, {name_of(answering)}, answers for it: {answering.state}"
        console.print(Text(f"{told} {sanitize.one_line(answering.reason, 400)}"))
    for rung, decision in ledger.decisions(run.id):
        console.print(Text(f"  {rung}: {decision.decision}: {sanitize.one_line(decision.reason, 400)}"))
    if (tuned := tuned_of(ledger.events(run.id))) is not None:
        console.print(Text(f"  tuned: {sanitize.one_line(tuned.told(), 400)}"))
    compared = _compared(ledger, run)
    for rung, scores in ledger.scores(run.id).items():
        console.print(_trials(rung, scores) if rung.startswith(f"{RUNG}-") else _scores(rung, scores))
        if (found := compared.get(rung)) is not None:
            console.print(difference_table(rung, *found))
        for metric, points in mean_curves(by_seed(scores).values()).items():
            console.print(Text(f"  {metric} by step, mean over seeds: {line(points)}"))
    for one in ledger.underway(run.id).get(run.id, []):
        console.print(Text(f"  now: {underway_of(one)}", style="blue"))
        for name, curve in one.curve.items():
            console.print(Text(f"    {sanitize.terminal(name, 40)} {spark([value for _, value in curve])}"))
    table = Table("when", "what", "")
    for event in ledger.events(run.id):
        when = dt.datetime.fromtimestamp(event.time, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
        detail = ", ".join(f"{k} {v}" for k, v in event.detail.items() if v not in ("", None))
        table.add_row(when, Text(event.kind), Text(sanitize.one_line(detail, 200)))
    console.print(table)


def _trials(rung: str, scores: list[Score]) -> Table:
    """Trials down, with the values that were tried and what they reached."""
    names = sorted({s.metric for s in scores}, key=lambda name: (name != OBJECTIVE, name))
    table = Table("trial", *(name.removeprefix(VALUE) for name in names), title=rung)
    for trial in sorted({s.seed for s in scores}):
        values = {s.metric: s.value for s in scores if s.seed == trial}
        table.add_row(str(trial), *(f"{values[name]:.4g}" if name in values else "" for name in names))
    return table


def _scores(rung: str, scores: list[Score]) -> Table:
    """Seeds across, metrics down, with the mean and standard deviation; points of learning curves are left out."""
    seeds = sorted({s.seed for s in scores})
    table = Table("metric", *(f"seed {s}" for s in seeds), "mean", "SD", title=rung)
    for metric in without_points(sorted({s.metric for s in scores})):
        values = {s.seed: s.value for s in scores if s.metric == metric}
        array = np.array(list(values.values()))
        with np.errstate(all="ignore"):
            spread = f"{array.std(ddof=1):.4g}" if array.size > 1 else ""
        cells = [f"{values[s]:.4g}" if s in values else "" for s in seeds]
        table.add_row(Text(metric), *cells, f"{array.mean():.4g}", spread)
    return table
