"""`harness leaderboard`: who is ahead, and how surely."""

from __future__ import annotations

import math
import pathlib
from typing import TYPE_CHECKING, Any, TypeAlias

import click
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from harness.cli.differences import as_json
from harness.cli.ledgers import ladder_option, ledger_options, name_of, read_ledger, state_style
from harness.cli.progress import tell_json
from harness.core.errors import UserError
from harness.ladder.board import board
from harness.ladder.ladder import called, load, named
from harness.ladder.rungs import JUDGED
from harness.ledger.records import plain
from harness.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.ladder.board import Reference, Standing
    from harness.ladder.false_discovery import Family
    from harness.ladder.plan import Ladder
    from harness.ledger import Ledger


#: What stands in a line of the table, by column.
_Line: TypeAlias = "tuple[Text | str, ...]"
_HEADS = (
    "",
    "candidate",
    "state",
    "rung",
    "metric",
    "mean",
    "95 % interval",
    "seeds",
    "less baseline",
    "its interval",
    "run",
)
#: What `--fdr` puts before the number of the run.
_FOUND_HEADS = ("evidence", "discovery")
#: Columns that may be folded: all others hold numbers.
_NAMES = ("candidate", "state", "rung", "metric")
#: To so many characters names are folded where there is no room.
_FOLDED = 8
#: No table is as wide.
_WHOLE = 10_000
#: Behind the place of a run that other code measured.
_MARK = "*"


@click.command("leaderboard")
@ladder_option("The ladder; one of your own as a .toml file, or NAME@DIGEST.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="Most runs that are shown.")
@click.option(
    "--record",
    type=click.Path(path_type=pathlib.Path, dir_okay=False),
    metavar="FILE",
    help="Write it as a signed record as well, which `harness verify` reads.",
)
@click.option(
    "--fdr",
    "alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="ALPHA",
    help="Name the discoveries: of those, a share ALPHA at most is expected to be false.",
)
@click.option("--json", "json_wanted", is_flag=True, help="Write JSON to standard output.")
@ledger_options
def leaderboard_command(
    *,
    profile: str,
    limit: int,
    record: Path | None,
    alpha: float | None,
    json_wanted: bool,
    folder: Path,
    database: str | None,
) -> None:
    """Rank runs by the highest rung they were measured at, and there by the mean over seeds with its 95 % interval.

    The baseline has a row of its own, and each run its difference from the baseline on the same seeds, with the
    interval that its gate decides by.

    With --fdr, which of all that came to a rung are better than its baseline, by e-BH over their evidence from seeds:
    losers count, whether they are shown or not, and each function once.
    """
    if alpha is not None and math.isnan(alpha):
        raise UserError("--fdr is no number", remedy="a rate between 0 and 1, such as .05")
    if profile.endswith(".toml"):
        load(profile)  # what is wrong with the file is told first
    with read_ledger(folder, database) as ledger:
        ladder = named(ledger, profile)
        found = board(ledger, ladder, limit)
        rows, beside = found.rows, found.baselines
        if record is not None:
            _write_record(ledger, ladder, rows, record)
        tested = _families(ledger, ladder, alpha)
        others = [run for run in ledger.namesakes(ladder.name) if run.profile_digest != ladder.digest]
    if json_wanted:
        document = _document(profile, ladder, rows, beside)
        if alpha is not None:
            document["fdr"] = {"alpha": alpha, "families": [_family_json(one) for one in tested]}
        tell_json(document)
        return
    console = Terminal()
    lines = [_HEADS, *_lines(ladder, rows, beside)]
    if alpha is not None:
        lines = _with_discoveries(lines, rows, tested)
    _print(console, called(ladder.name, ladder.digest), lines)
    for line in [*_told(ladder, rows, beside), *(sentence for one in tested for sentence in _found(one))]:
        console.print(Text(line, style="dim"))
    if others:
        told = ", ".join(called(run.profile, run.profile_digest) for run in others)
        console.print(Text(f"not among these: runs of {told}, other ladders of the same name", style="dim"))


def _families(ledger: Ledger, ladder: Ladder, alpha: float | None) -> list[Family]:
    """What was tested together at each rung; nothing where no rate is asked for."""
    if alpha is None:
        return []
    from harness.ladder.false_discovery import families  # noqa: PLC0415 - most boards are asked for no rate

    return families(ledger, ladder, alpha)


def _write_record(ledger: Ledger, ladder: Ladder, rows: Sequence[Standing], path: Path) -> None:
    from harness.attestation.keys import Keyring  # noqa: PLC0415 - most boards are for people
    from harness.cli.record_file import write_records  # noqa: PLC0415
    from harness.ladder.board_record import seal_board  # noqa: PLC0415

    write_records(seal_board(ledger, ladder, rows, Keyring().or_new()[0]), path)


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
            "held_out": row.rung in {plan.name for plan in ladder.rungs if plan.held_out},
            "outdated": row.outdated,
            "beside": {name: plain(value) for name, value in row.beside.items()},
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
    means = {name: plain(getattr(row, name)) for name in ("mean", "low", "high")}
    return {"rung": row.rung, "metric": row.metric, **means, "seeds": row.seeds}


def _family_json(one: Family) -> dict[str, Any]:
    """What was tested together at a rung, and what was found."""
    standings = [
        {
            "run": s.run,
            "difference": plain(s.difference),
            "low": plain(s.low),
            "high": plain(s.high),
            "seeds": s.seeds,
            "evidence": plain(s.evidence),
            "found": s.found,
        }
        for s in one.standings
    ]
    return {
        "rung": one.plan.name,
        "held_out": one.plan.held_out,
        "against": one.plan.baseline,
        "metric": one.plan.gate.metric if one.plan.gate is not None else "",
        "needed": plain(one.needed),
        "tested": len(one.standings),
        "unmeasured": one.unmeasured,
        "repeated": one.repeated,
        "below": one.below,
        "discoveries": list(one.discoveries),
        "standings": standings,
    }


def _with_discoveries(lines: Sequence[_Line], rows: Sequence[Standing], tested: Sequence[Family]) -> list[_Line]:
    """The lines with each run's evidence at the rung that it stands at, and whether that makes a discovery of it."""
    known = {(str(s.run), one.plan.name): s for one in tested for s in one.standings}
    rungs = {str(row.run.id): row.rung for row in rows}
    out: list[_Line] = [(*lines[0][:-1], *_FOUND_HEADS, lines[0][-1])]
    for line in lines[1:]:
        run = str(line[-1])
        standing = known.get((run, rungs.get(run, "")))
        told = ("", "") if standing is None else (f"{standing.evidence:.3g}", "yes" if standing.found else "no")
        if standing is None and run:
            told = ("", "counted once")
        out.append((*line[:-1], *told, line[-1]))
    return out


def _found(one: Family) -> list[str]:
    """What was found at a rung among how many, and what that is worth."""
    plan, rate = one.plan, f"{100.0 * one.alpha:.4g} %"
    tested = f"{len(one.standings)} function{'s' if len(one.standings) != 1 else ''}"
    if not one.standings:
        return [f"{plan.name}: nothing came there, and nothing is tested"]
    left = [f"{one.unmeasured} of them not measured"] if one.unmeasured else []
    left += [f"{one.repeated} more runs of the same functions left out"] if one.repeated else []
    left += [f"{one.below} runs below it, which do not count"] if one.below else []
    known = f" ({'; '.join(left)})" if left else ""
    names = ", ".join(f"run {run}" for run in one.discoveries) or "none"
    told = f"{plan.name}: discoveries, better than {plan.baseline}, among all {tested} that came there{known}: {names}"
    told += f"; evidence of {one.needed:.3g} was needed, and of those named at most {rate} are expected to be false"
    if plan.held_out:
        return [told + ": no search was told of these seeds"]
    caution = "if none was chosen by these very seeds: what a search was told of them it may have used"
    return [f"{told}, {caution}"]


def _print(console: Terminal, title: str, lines: Sequence[_Line]) -> None:
    """Print the table, narrow where the console is; one that is narrower still breaks the lines, and cuts nothing."""
    table = _table(title, lines, narrow=False)
    if console.measure(table, options=console.options.update(max_width=_WHOLE)).maximum > console.width:
        table = _table(title, lines, narrow=True)
        widths = [_FOLDED if column.min_width is None else column.min_width for column in table.columns]
        console.width = max(console.width, sum(widths) + 3 * len(widths) + 1)  # with a stroke and two spaces each
    console.print(table)


def _lines(ladder: Ladder, rows: Sequence[Standing], beside: Sequence[Reference]) -> list[_Line]:
    """What stands in the table, by column."""
    lines = []
    waiting, order = list(beside), [plan.name for plan in ladder.rungs]
    for place, row in enumerate(rows, 1):
        # A baseline stands above the first run of its rung that is not better.
        while waiting and (waiting[-1].rung != row.rung or not row.mean > waiting[-1].mean):
            if order.index(waiting[-1].rung) < order.index(row.rung):
                break
            lines.append(_of_baseline(waiting.pop()))
        first = (f"{place}{_MARK if row.outdated else ''}", Text(name_of(row.run)))
        state = Text(str(row.run.state), style=state_style(row.run))
        lines.append((*first, state, *_cells(row), *_difference(row), str(row.run.id)))
    return lines + [_of_baseline(one) for one in reversed(waiting)]


def _table(title: str, lines: Sequence[_Line], *, narrow: bool) -> Table:
    """The table, of its heads and its lines; a narrow one has two things below one another in a cell."""
    heads, *lines = [_narrowed(line) for line in lines] if narrow else lines
    table = Table(title=title)
    for head, *cells in zip(heads, *lines, strict=True):
        if str(head).partition("\n")[0] in _NAMES:
            table.add_column(head, overflow="fold")
        else:  # half a number is another number
            width = max(cell_len(part) for one in (head, *cells) for part in str(one).split("\n"))
            table.add_column(head, no_wrap=True, min_width=width)
    for line in lines:
        table.add_row(*line)
    return table


def _narrowed(line: Sequence[Text | str]) -> _Line:
    place, name, state, rung, metric, mean, spread, seeds, less, its, *found, run = line
    pairs = ((name, state), (rung, metric), (mean, spread), (less, its), *([tuple(found)] if found else ()))
    names, at, measured, compared, *evidence = (
        Text("\n").join(Text(p) if isinstance(p, str) else p for p in pair) for pair in pairs
    )
    return place, names, at, measured, seeds, compared, *evidence, run


def _of_baseline(one: Reference) -> _Line:
    return "", Text(one.name, style="bold"), Text("baseline", style="bold"), *_cells(one), "", "", ""


def _cells(row: Standing | Reference) -> tuple[Text | str, ...]:
    spread = f"{row.low:.3f} to {row.high:.3f}" if math.isfinite(row.high - row.low) else ""
    return Text(row.rung), Text(row.metric), f"{row.mean:.3f}", spread, str(row.seeds)


def _difference(row: Standing) -> tuple[str, str]:
    found = row.difference
    if found is None:
        return "", ""
    spread = f"{found.low:+.3f} to {found.high:+.3f}" if math.isfinite(found.high - found.low) else ""
    return f"{found.mean:+.3f}", spread


def _told(ladder: Ladder, rows: Sequence[Standing], beside: Sequence[Reference]) -> list[str]:
    """What the figures of the table are."""
    out = []
    if any(row.outdated for row in rows):
        told = "measured by other code, or in another image, than the run that was measured last at its rung"
        out.append(f"{_MARK} {told}; `harness run --again` measures it anew")
    seen = {row.rung for row in rows}
    held = "held out: only who passed all else came there, and no search is told of its seeds"
    out += [f"{plan.name}: {held}" for plan in ladder.rungs if plan.held_out and plan.name in seen]
    for row in rows:
        if row.beside:
            told = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in row.beside.items())
            out.append(f"{row.rung}, run {row.run.id}: {told}")
    for one in beside:
        gate = next(plan.gate for plan in ladder.rungs if plan.name == one.rung)
        if gate is not None and one.rung in {plan.name for plan in ladder.rungs if plan.kind in JUDGED}:
            error = f"{100.0 * (1.0 - gate.alpha):.4g} %"
            out.append(
                f"{one.rung}: preference over {one.name}'s answers, {error} interval over prompts of one training"
            )
        elif gate is not None:
            out.append(f"{one.rung}: less {one.name} on the same seeds, {gate.level}, for each run by itself")
        if not one.settled:
            out.append(f"{one.rung}: {one.name} was not the same in all runs; its row is that of the newest")
    return out
