"""`python -m bench.against --old FOLDER [NAME...]`: this checkout against an older one, by turns in one run.

FOLDER is a checkout that is set up, with its own environment and image:

    git clone . OLD && git -C OLD checkout dc73fe1 && cd OLD && python3 -m harness.setup

Both sides get the same files, those of FOLDER's `examples/`. What is asked of them is not the same: today's profile
asks more than that of an older checkout, so that a ratio of 1 is the same time for more questions. Writes
`against.json`; of fewer turns than count, or of a part of the files, nothing is kept.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from bench import machine
from bench.containers import ROOT
from bench.ledger import many_finished
from bench.measure import LEAST, Figure, environment, figures_table, in_turns, seconds, seconds_of
from bench.used import used

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RESULTS = Path(__file__).with_name("against.json")
#: Most that each may be of the old side's.
TARGETS = {"check": None, "static": None, "leaderboard": None, "processor": 0.45, "drain": 0.5}
#: Who waits for a folder of candidates has them end in any of these ways.
_ENDS = (0, 1, 3)


def _harness(checkout: Path) -> Path:
    command = checkout / ".venv" / "bin" / "harness"
    if not command.exists():
        raise click.UsageError(f"{checkout} is not set up: run `python3 -m harness.setup` in it")
    return command


def check(old: Path, times: int) -> Figure:
    """Seconds of one cold check of DPO."""
    return _command("check", ["check", "examples/dpo.py"], old, times)


def static(old: Path, times: int) -> Figure:
    """Seconds of the static tier."""
    return _command("static", ["check", "--static", "--screened-ok", "examples/dpo.py"], old, times)


def leaderboard(old: Path, times: int) -> Figure:
    """Seconds of the command over one ledger with many finished runs, which both sides have to be able to read."""
    with many_finished() as folder:
        return _command("leaderboard", ["leaderboard", "--folder", str(folder)], old, times)


def _command(name: str, words: Sequence[str], old: Path, times: int) -> Figure:
    runs = [partial(seconds, [str(_harness(side)), *words], folder=side) for side in (ROOT, old)]
    return _ratio(name, f"seconds of `harness {' '.join(words[:2])}`, now / before", runs, times)


def processor(old: Path, times: int) -> Figure:
    """Processor seconds of one check of DPO: the command, its children, and its sandboxes."""
    parts: dict[str, list[float]] = {}

    def once(side: str, checkout: Path) -> float:
        spent = used([str(_harness(checkout)), "check", "examples/dpo.py"], folder=checkout)
        if not spent.sandboxes or not spent.inside:
            raise RuntimeError("no sandbox was seen, and a check has one: who asks may not read what the kernel counts")
        parts.setdefault(f"host, {side}", []).append(spent.host)
        parts.setdefault(f"sandboxes, {side}", []).append(spent.inside)
        return spent.processor

    runs = [partial(once, "now", ROOT), partial(once, "before", old)]
    what = "processor seconds of one `harness check` of DPO, host and sandboxes, now / before"
    return _ratio("processor", what, runs, times, parts)


def drain(old: Path, times: int, files: int | None = None) -> Figure:
    """Seconds in which `harness worker` empties a queue of the examples on the bandit ladder, in new ledgers.

    As it comes, with the places that it gives this host.
    """
    examples = sorted(p.relative_to(old) for p in (old / "examples").glob("*.py"))
    examples += sorted(p.relative_to(old) for p in (old / "examples" / "broken").glob("*.py"))
    chosen = [str(old / path) for path in examples[:files]]
    runs = [partial(_drained, checkout, chosen) for checkout in (ROOT, old)]
    what = f"`harness worker --drain` over {len(chosen)} examples on the bandit ladder, now / before"
    return _ratio("drain", what, runs, times)


def _drained(checkout: Path, files: Sequence[str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        own = ("--folder", folder)
        if (told := _told(checkout, "submit", *files, *own)).returncode not in _ENDS:
            raise RuntimeError(f"nothing was submitted: {told.stderr[-800:]}")
        worker = [str(_harness(checkout)), "worker", "--drain", *own]
        took = seconds(worker, folder=checkout, expected=_ENDS)
        if (told := _told(checkout, "queue", "--json", *own)).returncode:
            raise RuntimeError(f"the queue is not told: {told.stderr[-800:]}")
        counts = json.loads(told.stdout)["counts"]
        if sum(counts.values()) < len(files) or counts.get("queued") or counts.get("running"):
            raise RuntimeError(f"the queue was not emptied: {counts}")
        return took


def _told(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What a checkout's command says."""
    command = [str(_harness(checkout)), *words]
    return subprocess.run(command, env=environment(), cwd=checkout, capture_output=True, text=True, check=False)


def _ratio(
    name: str,
    what: str,
    runs: Sequence[Callable[[], float]],
    times: int,
    parts: dict[str, list[float]] | None = None,
) -> Figure:
    """The first over the second, turn by turn, after each has run once so that all is in memory."""
    now, before = runs
    if times >= LEAST:
        now(), before()
        for part in (parts or {}).values():
            part.clear()
    ours, theirs = in_turns(now, before, times)
    told = {"now": ours, "before": theirs, **(parts or {})}
    ratios = tuple(a / b for a, b in zip(ours, theirs, strict=True))
    return Figure(name, what, ratios, TARGETS[name], parts=seconds_of(told))


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([*TARGETS]), metavar="[NAME]...")
@click.option(
    "--old", required=True, type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    help="The older checkout, set up.",
)  # fmt: skip
@click.option("--times", default=LEAST, show_default=True, type=click.IntRange(1), help="Repetitions of each side.")
@click.option("--files", type=click.IntRange(1), help="Only so many examples are drained.")
def main(names: tuple[str, ...], old: Path, times: int, files: int | None) -> None:
    """Measure what is named (check, static, leaderboard, processor, drain; all), print and keep it.

    Exit code 1 where a target is missed.
    """
    figures: dict[str, Callable[[], Figure]] = {
        "check": partial(check, old, times),
        "static": partial(static, old, times),
        "leaderboard": partial(leaderboard, old, times),
        "processor": partial(processor, old, times),
        "drain": partial(drain, old, times, files),
    }
    measured, loads = [], {}
    for name in names or figures:
        loads[name] = machine.load()
        measured.append(figures[name]())
        if times >= LEAST and not (name == "drain" and files):
            _keep(measured[-1], loads[name], old)
    Console().print(figures_table(measured))
    sys.exit(0 if all(figure.met for figure in measured) else 1)


def _keep(figure: Figure, load: float, old: Path) -> None:
    """In the file, beside those that were measured before against the same commit."""
    asked = ["git", "-C", str(old), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    kept: dict[str, Any] = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    same = kept.get("figures", []) if kept.get("against") == commit else []
    figures = [one for one in same if one["name"] != figure.name] + [figure.as_json() | {"load_before": load}]
    figures.sort(key=lambda one: [*TARGETS].index(one["name"]))
    content = {"against": commit, "machine": machine.facts(), "figures": figures}
    RESULTS.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
