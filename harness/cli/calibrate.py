"""`harness calibrate`: how often the gates of a ladder err where there is nothing to find."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from harness.cli.ledgers import data_option, ladder_option, ledger_options, open_ledger
from harness.cli.paced import paced
from harness.cli.progress import say, tell_json
from harness.report.terminal import Terminal

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from harness.ladder.calibration import Measure, Pair, Tally
    from harness.ladder.context import ClimbContext
    from harness.ladder.plan import Ladder, RungPlan

#: Simulated models of the gate for prompts, and prompts of each.
_TURNS, _PROMPTS = 1000, 500


@dataclass
class _Done:
    """How far it is: for a line now and then."""

    total: int
    done: int = 0
    at: str = ""

    def line(self) -> str:
        """All that in a line."""
        return f"{self.at}: {self.done} of {self.total} trainings"


@click.command("calibrate")
@ladder_option("The ladder whose gates are put to the test, or a .toml file.")
@click.option("--runs", default=20, show_default=True, type=click.IntRange(1, 10_000), help="Runs of each rung.")
@click.option("--rung", "rungs", multiple=True, metavar="NAME", help="A rung to take alone.  [default: all that train]")
@click.option("--gpu", default="none", show_default=True, metavar="auto|none|N,...", help="The GPU for it.")
@click.option("--runtime", metavar="NAME", help="A runtime of the container engine, such as runsc (gVisor).")
@click.option("--json", "json_wanted", is_flag=True, help="Write JSON to standard output.")
@data_option
@ledger_options
def calibrate_command(
    *,
    profile: str,
    runs: int,
    rungs: tuple[str, ...],
    gpu: str,
    runtime: str | None,
    json_wanted: bool,
    data_dir: str | None,
    folder: Path,
    database: str | None,
) -> None:
    """Hold a ladder's baseline against itself, and count how often a gate calls it better or worse: an A/A test.

    Each run trains the baseline at seeds that no gate, duel or tuning has, and holds it against the baseline at other
    seeds, and against the same function in other words at the same ones. Every seed is kept in the folder, so that the
    same command goes on where it was, and one with more --runs adds to it. Exit code: 0 it was counted, whatever it
    came to, 2 the command makes no sense, 3 a fault of ours.
    """
    from harness.ladder.ladder import load  # noqa: PLC0415 - help needs none of it
    from harness.ladder.needs import check_inputs, meet  # noqa: PLC0415

    ladder = load(profile)
    plans = _chosen(ladder, rungs)
    check_inputs(ladder, folder.resolve(), data_dir)
    meet(ladder, folder.resolve(), gpu=gpu, data_dir=data_dir)
    with _opened(ladder, folder.resolve(), database, (gpu, runtime, data_dir)) as context:
        tallies = _tallies(context, plans, runs)
    if json_wanted:
        tell_json(_document(ladder, tallies, runs))
        return
    console = Terminal()
    for one in tallies:
        console.print(_table(one))
    for line in _sentences(tallies):
        console.print(Text(line, style="dim"))


def _chosen(ladder: Ladder, names: tuple[str, ...]) -> list[RungPlan]:
    """The rungs that are looked at. Raises UserError for one that has no gate."""
    from harness.core.errors import UserError  # noqa: PLC0415 - as above

    gated = [plan for plan in ladder.rungs if plan.gate is not None]
    known = {plan.name for plan in gated}
    if odd := [name for name in names if name not in known]:
        raise UserError(
            f"the ladder {ladder.name} has no rung {odd[0]!r} that trains", remedy=f"one of: {', '.join(sorted(known))}"
        )
    return [plan for plan in gated if not names or plan.name in names]


@contextlib.contextmanager
def _opened(
    ladder: Ladder, folder: Path, database: str | None, how: tuple[str, str | None, str | None]
) -> Iterator[ClimbContext]:
    """What measures a baseline as a climb does, with the same files kept beside the ledger."""
    from harness.checks.checker import Checker  # noqa: PLC0415
    from harness.checks.options import Options  # noqa: PLC0415
    from harness.core.stopping import Stop, heeding  # noqa: PLC0415
    from harness.ladder.context import ClimbContext  # noqa: PLC0415

    gpu, runtime, data_dir = how
    options = Options(profile=ladder.properties, gpu=gpu, runtime=runtime, data_dir=data_dir)
    with heeding(Stop(say=say)) as stop, Checker.open(options) as checker, open_ledger(folder, database) as ledger:
        yield ClimbContext(checker, ladder, ledger, folder, stopping=stop)


def _tallies(context: ClimbContext, plans: Sequence[RungPlan], runs: int) -> list[Tally]:
    """Measure what is not known yet, and count. Raises KeyboardInterrupt where it was told to stop."""
    from harness.ladder.calibration import OTHER_WORDS, measured, tally  # noqa: PLC0415

    out: list[Tally] = []
    for plan in plans:
        words = OTHER_WORDS.get(plan.baseline)
        looks = plan.gate.looks[-1] if plan.gate is not None else 0
        count = _Done(runs * looks * (2 if words is None else 3), at=plan.name)
        say(f"{plan.name}: {count.total} trainings of {plan.baseline}, as far as they are not known")
        pairs: dict[str, list[Pair]] = {}
        with paced(count.line):
            for run in range(runs):
                with contextlib.ExitStack() as stack:  # sandboxes live for a limited time
                    stack.enter_context(context.one_baseline())
                    baseline = _counted(context, count, _baseline(context, plan))
                    other = None
                    if words is not None:
                        other = _counted(context, count, _in_other_words(context, plan, words, stack))
                    for varied, pair in measured(plan, run, baseline, other).items():
                        pairs.setdefault(varied, []).append(pair)
        out += [tally(plan, varied, found) for varied, found in pairs.items()]
    return out


def _counted(context: ClimbContext, count: _Done, measure: Measure) -> Measure:
    """The same, which tells how far it is, and stops when it is told to."""

    def one(seed: int) -> dict[str, float]:
        if context.stopping():
            raise KeyboardInterrupt
        out = measure(seed)
        count.done += 1
        return out

    return one


def _baseline(context: ClimbContext, plan: RungPlan) -> Measure:
    """What measures the baseline, and keeps each seed where climbs would."""
    evaluation = context.evaluation(plan)
    return lambda seed: context.baselines.scores(plan, evaluation, seed)


def _in_other_words(context: ClimbContext, plan: RungPlan, text: str, stack: contextlib.ExitStack) -> Measure:
    """What measures the baseline in other words, in a sandbox until the end of the stack; each seed is kept apart."""
    from harness.api import text_candidate  # noqa: PLC0415
    from harness.core.digests import json_digest  # noqa: PLC0415
    from harness.ladder.baselines import Baselines  # noqa: PLC0415

    candidate = text_candidate(text, f"{plan.baseline}_in_other_words.py")
    key = json_digest({"evaluation": context.evaluation(plan), "candidate": candidate.sha256})
    measure = stack.enter_context(context.measuring(plan, context.checker.screen(candidate), {}))
    kept = Baselines(context.folder / "calibration", lambda _, __, seed: measure(seed).metrics, context.stopping)
    return lambda seed: kept.scores(plan, key, seed)


def _document(ladder: Ladder, tallies: Sequence[Tally], runs: int) -> dict[str, Any]:
    """What machines read."""
    from harness.ladder.ladder import called  # noqa: PLC0415
    from harness.ledger.records import plain  # noqa: PLC0415

    rungs = [
        {
            "rung": one.rung,
            "varied": one.varied,
            "alpha": one.alpha,
            "margin": one.margin,
            "interval": {word: _share(times, one.runs) for word, times in one.interval.items()},
            "gate": {word: _share(times, one.runs) for word, times in one.gate.items()},
            "evidence": _share(one.evidence, one.runs),
            "discoveries": one.discoveries,
            "differences": [plain(value) for value in one.differences],
            "prompts": {word: _share(times, _TURNS) for word, times in _prompts(one).items()},
        }
        for one in tallies
    ]
    return {
        "schema": "harness.calibration/v1",
        "ladder": called(ladder.name, ladder.digest),
        "digest": ladder.digest,
        "runs": runs,
        "rungs": rungs,
    }


def _share(times: int, of: int) -> dict[str, Any]:
    from harness.ladder.calibration import Share  # noqa: PLC0415

    low, high = Share(times, of).interval
    return {"times": times, "of": of, "low": low, "high": high}


def _prompts(one: Tally) -> Counter[str]:
    from harness.ladder.calibration import prompts  # noqa: PLC0415

    return prompts(one.differences, one.alpha, turns=_TURNS, most=_PROMPTS)


def _table(one: Tally) -> Table:
    """What was asked down, what came of it across; the interval of each share is exact, at 95 %."""
    title = f"{one.rung}: the baseline against itself, {one.varied}, {one.runs} runs"
    table = Table("asked", "promised", "better", "worse", "left open", "stopped", title=title)
    both = f"{_percent(one.alpha)} in both"
    rows: list[tuple[str, str, Counter[str], int]] = [
        ("interval", both, one.interval, one.runs),
        (f"gate, margin {one.margin:g}", f"{_percent(one.alpha / 2)} worse", _as_words(one.gate), one.runs),
    ]
    if drawn := _prompts(one):
        rows.append(("prompts", both, drawn, _TURNS))
    for asked, promised, counts, of in rows:
        words = ("better", "worse", "left open", "stopped by a rail")
        table.add_row(asked, promised, *(_cell(counts[word], of) for word in words))
    table.add_row(f"evidence {1 / one.alpha:g}, ever", _percent(one.alpha), _cell(one.evidence, one.runs), "", "", "")
    return table


def _as_words(gate: Counter[str]) -> Counter[str]:
    """The gate's own decisions under the heads of the table: promoted is what is not worse by more than its margin."""
    out = gate.copy()
    out["better"], out["worse"] = gate["promoted"], gate["rejected"]
    return out


def _cell(times: int, of: int) -> str:
    found = _share(times, of)
    return f"{times}/{of}\n{100 * found['low']:.1f} to {100 * found['high']:.1f} %"


def _percent(share: float) -> str:
    return f"{100.0 * share:.4g} %"


def _sentences(tallies: Sequence[Tally]) -> list[str]:
    """What the figures are."""
    varied = [f"{one.discoveries} of {one.runs} at {one.rung} ({one.varied})" for one in tallies]
    return [
        "interval: the gate's own at margin 0, right at all looks together; each that leaves 0 out errs",
        "gate: as it stands; better: promoted, not worse by more than the margin; worse: rejected; stopped: by a rail",
        f"prompts: the gate for prompts, {_TURNS} times, {_PROMPTS} effects drawn of the differences, signs by chance",
        "other seeds: both sides on seeds of their own; at the same seeds each difference is 0 by construction",
        "other words: the same function in exact arithmetic at the same seeds, so that only rounding differs",
        f"discoveries by e-BH, each of them false: {', '.join(varied)}",
    ]
