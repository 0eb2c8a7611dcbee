"""`harness iterate`: losses side by side over the rounds of iterative preference optimization."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from harness.cli.paced import paced
from harness.cli.progress import say, tell, tell_json
from harness.core import text as sanitize
from harness.core.errors import StoppedError
from harness.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.checks.checker import Checker
    from harness.core.candidate import Candidate
    from harness.ladder.iterating import Outcome, Spread
    from harness.ladder.plan import Ladder, RungPlan
    from harness.protocol.job import Progress, Step

#: Short heads of columns.
_HEADS = {"reward_at_equal_length": "at equal length", "length_growth": "growth"}
#: From here on a number is told with one place.
_LARGE = 10.0
#: What pictures show.
_DRAWN = ("length", "reward", "reward_at_equal_length", "kl", "agreement")


@click.command("iterate")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="LOSS...")
@click.option("--rounds", type=click.IntRange(1, 100), metavar="N", help="How many rounds.  [default: the ladder's]")
@click.option(
    "--ladder", default="iterate", show_default=True, help="The ladder with a rung of kind iterate, or .toml."
)
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1, 100), help="Seeds 0 to this number - 1.")
@click.option("--jobs", type=click.IntRange(1, 64), help="Losses at a time.  [default: a core each; with a GPU one]")
@click.option("--gpu", default="none", show_default=True, metavar="auto|none|N", help="The GPU for it.")
@click.option("--plots", type=click.Path(path_type=Path, file_okay=False), help="Draw the rounds into a folder.")
@click.option("--json", "json_wanted", is_flag=True, help="Write JSON to standard output.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".harness"),
    show_default=True,
    help="The project's own folder: what was measured, and where a killed command goes on.",
)
def iterate_command(
    paths: tuple[Path, ...],
    *,
    rounds: int | None,
    ladder: str,
    seeds: int,
    jobs: int | None,
    gpu: str,
    plots: Path | None,
    json_wanted: bool,
    folder: Path,
) -> None:
    """Train with each LOSS for several rounds, the policy of one being the reference of the next, beside the baseline.

    In each round the policy answers instructions several times, a ranker orders the answers, and the loss trains on the
    best against the worst of each. Each loss is checked first, by the ladder's properties. No gate decides: every seed
    of every loss is measured, and told by round. Killed, the same command goes on at the stage where it was.

    Exit code, the worst of all: 0, 1 a loss was rejected or failed in training, 2 the command or the data make no
    sense, 3 a fault of ours.
    """
    from harness.api import read_all  # noqa: PLC0415 - help needs none of it
    from harness.checks.checker import Checker  # noqa: PLC0415
    from harness.checks.options import Options  # noqa: PLC0415
    from harness.core.stopping import Stop, heeding  # noqa: PLC0415
    from harness.ladder.baselines import baseline_candidate  # noqa: PLC0415
    from harness.ladder.iterating import Iterating, planned  # noqa: PLC0415
    from harness.ladder.ladder import load  # noqa: PLC0415
    from harness.ladder.needs import meet  # noqa: PLC0415
    from harness.plots import plots as pictures  # noqa: PLC0415

    chosen, plan = planned(load(ladder), rounds)
    if plots is not None:
        pictures.require_matplotlib()
        pictures.require_folder(plots)
    candidates = _named(read_all(list(paths)))
    meet(chosen, folder.resolve(), gpu=gpu)
    at: dict[tuple[str, int], tuple[Step, Progress]] = {}

    def heard(name: str, seed: int, step: Step, progress: Progress) -> None:
        at[name, seed] = (step, progress)

    with heeding(Stop(say=say)) as stop, Checker.open(Options(profile=chosen.properties, gpu=gpu)) as checker:
        passed, code = _judged(checker, candidates)
        baseline = baseline_candidate(plan.baseline)
        losses = {f"{plan.baseline} (baseline)": baseline, **passed}
        cores = 1 if checker.recipe.gpu is not None else len(os.sched_getaffinity(0))
        iterating = Iterating(checker, chosen, plan, folder.resolve(), stop, heard)
        try:
            with paced(lambda: _line(at)):
                outcomes = iterating.measure(losses, range(seeds), jobs or min(cores, len(losses)))
        except StoppedError:
            say("stopped; the same command goes on with it")
            raise KeyboardInterrupt from None
    found = list(outcomes.values())
    if any(each.fault for each in found):
        code = max(code, 1)
    if json_wanted:
        tell_json(_document(chosen, plan, found), indent=1, sort_keys=True)
    else:
        _print(found)
    if plots is not None:
        _draw(found, plots, chosen.name)
    sys.exit(code)


def _named(candidates: Sequence[Candidate]) -> dict[str, Candidate]:
    """Candidates by a name of their own: that of the file, with the beginning of the digest where two have one."""
    stems = Counter(Path(each.path).stem for each in candidates)
    names = [(Path(c.path).stem, c) for c in candidates]
    return {stem if stems[stem] == 1 else f"{stem} {each.sha256[:8]}": each for stem, each in names}


def _judged(checker: Checker, candidates: dict[str, Candidate]) -> tuple[dict[str, Candidate], int]:
    """The candidates that the properties accept, and the exit code for the others, of whom is told why."""
    from harness.core.verdict import Accepted, Rejected  # noqa: PLC0415 - as above

    passed, code = {}, 0
    for name, candidate in candidates.items():
        verdict = checker.check(candidate).verdict
        if isinstance(verdict, Accepted):
            passed[name] = candidate
        elif isinstance(verdict, Rejected):
            say(f"{name}: rejected: " + "; ".join(f"{f.rule} {f.message}" for f in verdict.findings[:3]))
            code = max(code, 1)
        else:
            say(f"{name}: no verdict: {getattr(verdict, 'reason', '')}")
            code = 3
    return passed, code


def _line(at: dict[tuple[str, int], tuple[Step, Progress]]) -> str:
    """What each loss is at, its latest seed."""
    latest = {name: (seed, *what) for (name, seed), what in sorted(at.items())}
    return "; ".join(
        f"{sanitize.terminal(name, 40)}, seed {seed}: {step} {progress.done} of {progress.total}"
        for name, (seed, step, progress) in latest.items()
    )


def _print(found: Sequence[Outcome]) -> None:
    """A table of the rounds, and what each loss differs from the baseline by after the last one that both came to."""
    from harness.ladder.iterating import SHOWN  # noqa: PLC0415 - as above

    console, seeds = Terminal(), max(len(each.seeds) for each in found)
    table = Table("loss", "round", *(_HEADS.get(name, name) for name in SHOWN), title=f"means over {seeds} seeds")
    for each in found:
        for number in range(each.rounds + 1) if each.seeds else ():
            means = [each.at(name, number) for name in SHOWN]
            row = [f"{mean[0]:.{1 if mean[0] >= _LARGE else 3}f}" if mean is not None else "" for mean in means]
            table.add_row(_called(each), str(number), *row, end_section=number == each.rounds)
    console.print(table)
    first, *others = found
    told = Table("loss", "round", "metric", f"less {first.name}'s", "95 % interval")
    for each in others:
        last = min(each.rounds, first.rounds)
        for name in SHOWN if each.seeds else ():
            if (less := each.less(first, name, last)) is not None:
                mean, low, high = less
                span = f"{low:+.3f} to {high:+.3f}" if high - low < float("inf") else ""
                told.add_row(_called(each), str(last), name, f"{mean:+.3f}", span, end_section=name == SHOWN[-1])
    if others:
        console.print(told)
    for each in found:
        if each.fault:
            tell(f"{sanitize.terminal(each.name, 40)} failed in training: {sanitize.one_line(each.fault, 300)}")


def _called(each: Outcome) -> Text:
    return Text(sanitize.terminal(each.name, 40))


def _document(ladder: Ladder, plan: RungPlan, found: Sequence[Outcome]) -> dict[str, Any]:
    """All that for machines: metrics by seed, and by round what tables show."""
    from harness.ladder.iterating import SHOWN  # noqa: PLC0415 - as above
    from harness.ledger.records import plain  # noqa: PLC0415

    def spread(values: Spread | None) -> dict[str, Any] | None:
        if values is None:
            return None
        return {name: plain(value) for name, value in zip(("mean", "low", "high"), values, strict=True)}

    first = found[0]
    losses = {
        each.name: {
            "sha256": each.sha256,
            "fault": each.fault or None,
            "seeds": {str(seed): plain(metrics) for seed, metrics in each.seeds.items()},
            "rounds": [{name: spread(each.at(name, n)) for name in SHOWN} for n in range(each.rounds + 1)],
            "less_baseline": [
                {name: spread(each.less(first, name, n)) for name in SHOWN} for n in range(each.rounds + 1)
            ],
        }
        for each in found
    }
    return {
        "ladder": ladder.name,
        "rung": plan.name,
        "settings": dict(plan.settings),
        "baseline": first.name,
        "losses": losses,
    }


def _draw(found: Sequence[Outcome], folder: Path, ladder: str) -> None:
    from harness.plots import picture_rounds  # noqa: PLC0415 - an extra of the package

    def points(each: Outcome, name: str) -> Iterable[tuple[int, float, float, float]]:
        for number in range(each.rounds + 1):
            if (spread := each.at(name, number)) is not None:
                yield number, *spread

    panels = {name: {each.name: shown for each in found if (shown := list(points(each, name)))} for name in _DRAWN}
    for path in picture_rounds.draw({k: v for k, v in panels.items() if v}, folder, stem=f"{ladder}-rounds"):
        say(f"drew {path}")
