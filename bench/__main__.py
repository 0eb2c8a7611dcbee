"""`python -m bench [NAME...] [--json FILE]`: measure, print a table, write results.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from bench import (
    cold_check,
    control,
    finetune,
    gvisor,
    ledger,
    machine,
    per_candidate,
    reviews_step,
    round_trip,
    scale,
    static_tier,
    threads,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.measure import Figure

FIGURES: dict[str, Callable[[int], Figure]] = {
    "cold": cold_check.figure,
    "per-candidate": per_candidate.figure,
    "round-trip": round_trip.figure,
    "static": static_tier.figure,
    "scale": scale.figure,
    "control": control.figure,
    "reviews-step": reviews_step.figure,
    "threads": threads.figure,
    "finetune-step": finetune.step,
    "finetune-small-step": finetune.small_step,
    "finetune-cached": finetune.cached,
    "gvisor": gvisor.whole_check,
    "gvisor-call": gvisor.one_call,
    **{f"ledger-{database}": ledger.overhead(database) for database in ledger.OVERHEAD},
    **{f"ledger-claim-{database}": ledger.claims(database) for database in ledger.OVERHEAD},
    "ledger-leaderboard": ledger.leaderboard,
    **{f"ledger-submit-{database}": ledger.submissions(database) for database in ledger.OVERHEAD},
}
#: Measured by themselves only where the engine knows gVisor; asked for by name, its absence is an error.
OPTIONAL = ("gvisor", "gvisor-call")
RESULTS = Path(__file__).parent / "results.json"


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([*FIGURES]), metavar="[NAME]...")
@click.option("--json", "target", type=click.Path(path_type=Path), default=RESULTS, help="Where results go.")
@click.option("--times", default=5, show_default=True, type=click.IntRange(5), help="Repetitions of each side.")
def main(names: tuple[str, ...], target: Path, times: int) -> None:
    """Measure all figures, or those that are named: cold, per-candidate, round-trip, static, gvisor, gvisor-call.

    Results of figures that are not measured now stay in the file. Exit code 1 where a target is missed, 3 where
    what was asked for by name is not on this machine.
    """
    console = Console()
    kept = json.loads(target.read_text("utf-8"))["figures"] if target.exists() else []
    results = {entry["name"]: entry for entry in kept}
    measured = []
    for name in names or _possible():
        before = machine.load()
        with console.status(f"measuring {name}"):
            figure = FIGURES[name](times)
        measured.append(figure)
        results[name] = figure.as_json() | {"load_before": before}
    console.print(_table(measured))
    ordered = [results[name] for name in FIGURES if name in results]
    target.write_text(json.dumps({"machine": machine.facts(), "figures": ordered}, indent=1) + "\n", "utf-8")
    sys.exit(0 if all(figure.met for figure in measured) else 1)


def _possible() -> tuple[str, ...]:
    """Every figure that this machine can measure; what is left out is said, with what to do."""
    try:
        gvisor.require()
    except gvisor.RuntimeMissingError as error:
        click.echo(f"left out: {', '.join(OPTIONAL)}: {error.message}", err=True)
        return tuple(name for name in FIGURES if name not in OPTIONAL)
    return tuple(FIGURES)


def _table(figures: list[Figure]) -> Table:
    table = Table()
    for heading in ("figure", "median", "min", "max", "target", ""):
        table.add_column(heading, justify="left" if heading in {"figure", ""} else "right")
    for figure in figures:
        numbers = (figure.median, min(figure.values), max(figure.values))
        parts = "".join(f"\n  {name}: {1000 * value:.2f} ms" for name, value in figure.parts)
        shown = [f"{n:.2f} {figure.unit}".strip() for n in numbers]
        verdict = "[green]met[/]" if figure.met else "[red]missed[/]"
        target = "none" if figure.target is None else f"≤ {figure.target:g} {figure.unit}".strip()
        table.add_row(figure.what + parts, *shown, target, "" if figure.target is None else verdict)
    return table


if __name__ == "__main__":
    main()
