"""`python -m bench [NAME...] [--json FILE]`: measure, print a table, write results.json."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

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
    warm_check,
)
from bench.measure import LEAST, figures_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.measure import Figure

FIGURES: dict[str, Callable[[int], Figure]] = {
    "cold": cold_check.figure,
    "warm": warm_check.figure,
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
#: The same with less to do, to see that it can be measured: what takes minutes otherwise.
SMALL: dict[str, Callable[[int], Figure]] = {
    "per-candidate": partial(per_candidate.figure, files=1),
    "threads": partial(threads.figure, corpus=300, prompts=64),
    "reviews-step": partial(reviews_step.figure, corpus=300, prompts=64),
    "finetune-step": partial(finetune.step, steps=4),
    "finetune-small-step": partial(finetune.small_step, steps=4),
    "finetune-cached": partial(finetune.cached, steps=4),
    "ledger-leaderboard": partial(ledger.leaderboard, finished=20),
    **{f"ledger-{database}": ledger.overhead(database, jobs=2) for database in ledger.OVERHEAD},
    **{f"ledger-claim-{database}": ledger.claims(database, queued=300) for database in ledger.OVERHEAD},
    **{f"ledger-submit-{database}": ledger.submissions(database, count=50) for database in ledger.OVERHEAD},
}
#: Measured by themselves only where they can be, by what says that they cannot; asked for by name, it is an error.
OPTIONAL: dict[str, Callable[[], None]] = {
    "warm": warm_check.require,
    "gvisor": gvisor.require,
    "gvisor-call": gvisor.require,
}
RESULTS = Path(__file__).parent / "results.json"


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([*FIGURES]), metavar="[NAME]...")
@click.option("--json", "target", type=click.Path(path_type=Path), default=RESULTS, help="Where results go.")
@click.option(
    "--times",
    default=LEAST,
    show_default=True,
    type=click.IntRange(1),
    help=f"Repetitions of each side; of fewer than {LEAST} nothing is kept, and no target is missed.",
)
@click.option("--small", is_flag=True, help="Less to do, to see that it can be measured; the same holds for it.")
def main(names: tuple[str, ...], target: Path, times: int, *, small: bool) -> None:
    """Measure all figures, or those that are named: cold, per-candidate, round-trip, static, gvisor, gvisor-call.

    Results of figures that are not measured now stay in the file. Exit code 1 where a target is missed, 3 where
    what was asked for by name is not on this machine.
    """
    console = Console()
    counts = times >= LEAST and not small
    kept = json.loads(target.read_text("utf-8"))["figures"] if target.exists() else []
    results = {entry["name"]: entry for entry in kept}
    measured = []
    for name in names or _possible():
        before = machine.load()
        with console.status(f"measuring {name}"):
            figure = (SMALL if small and name in SMALL else FIGURES)[name](times)
        measured.append(figure)
        results[name] = figure.as_json() | {"load_before": before}
    console.print(figures_table(measured))
    if not counts:
        click.echo(f"not kept: {LEAST} turns of the whole are", err=True)
        return
    ordered = [results[name] for name in FIGURES if name in results]
    target.write_text(json.dumps({"machine": machine.facts(), "figures": ordered}, indent=1) + "\n", "utf-8")
    sys.exit(0 if all(figure.met for figure in measured) else 1)


def _possible() -> tuple[str, ...]:
    """Every figure that this machine can measure; what is left out is said, with what to do."""
    left_out = set()
    for name, require in OPTIONAL.items():
        try:
            require()
        except click.ClickException as error:
            left_out.add(name)
            click.echo(f"left out: {name}: {error.message}", err=True)
    return tuple(name for name in FIGURES if name not in left_out)


if __name__ == "__main__":
    main()
