"""`harness run`: the whole ladder for one candidate, here and now, with a live display."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.api import read_all, submit
from harness.cli.differences import difference_table
from harness.cli.ledgers import (
    again_option,
    data_option,
    ladder_option,
    ledger_options,
    log_level_option,
    name_of,
    open_ledger,
    state_style,
    underway_of,
)
from harness.cli.paced import paced, told_seconds
from harness.cli.pictures import draw_run
from harness.cli.progress import say, tell_excluded
from harness.core import text as sanitize
from harness.core.errors import UserError
from harness.core.stopping import Stop, heeding
from harness.ladder import logs
from harness.ladder.curves import line, mean_curves
from harness.ladder.evaluations import by_other_code
from harness.ladder.ladder import called, load
from harness.ladder.needs import check_inputs, meet
from harness.ladder.worker import WorkerConfig, WorkerSlot, work
from harness.ledger.queue import owner_name
from harness.ledger.records import State
from harness.report.terminal import Terminal

if TYPE_CHECKING:
    from harness.ladder.context import Progress, Training
    from harness.ladder.plan import Ladder
    from harness.ledger import Ledger
    from harness.ledger.queue import Holder
    from harness.ledger.records import Run
    from harness.protocol.job import Step

#: Exit codes: as `harness check` has them.
_CODES = {State.COMPLETED: 0, State.HELD: 0, State.REJECTED: 1}
_OURS = 3


@dataclass
class _Seen:
    """What the display knows of a climb."""

    ladder: Ladder
    name: str = ""
    started: float = field(default_factory=time.monotonic)
    at: str = ""
    decisions: dict[str, str] = field(default_factory=dict)
    scores: dict[str, dict[int, dict[str, float]]] = field(default_factory=dict)
    baselines: dict[str, dict[int, dict[str, float]]] = field(default_factory=dict)
    #: When the rung that it is at began.
    since: float = field(default_factory=time.monotonic)
    #: What is being trained, by whose it is and the seed: two may be under way at once.
    trainings: dict[tuple[str, int], Training] = field(default_factory=dict)
    #: When its step began.
    begun: dict[tuple[str, int, Step], float] = field(default_factory=dict)
    #: Sentences that came on the way.
    told: list[str] = field(default_factory=list)
    #: Who else is at it, and what that one trains.
    holder: Holder | None = None
    elsewhere: tuple[str, ...] = ()

    def wait_for(self, holder: Holder, ledger: Ledger, run: int) -> bool:
        """Learn that another worker holds the run; tell whether it is news that it does."""
        news = self.holder is None or self.holder.owner != holder.owner
        self.elsewhere = tuple(underway_of(one) for one in ledger.underway(run).get(run, []))
        self.holder = holder
        return news

    def take(self, progress: Progress) -> None:
        """Learn what the worker says."""
        now = time.monotonic()
        self.holder, self.elsewhere = None, ()
        if progress.rung != self.at:
            self.at, self.since = progress.rung, now
        if progress.told:
            self.told.append(progress.told)
        if progress.training is not None:
            training = progress.training
            self.trainings[training.whose, training.seed] = training
            self.begun.setdefault((training.whose, training.seed, training.step), now)
            return
        done = math.inf if progress.seed is None else progress.seed
        self.trainings = {key: t for key, t in self.trainings.items() if t.seed > done}
        if progress.decision is not None:
            self.decisions[progress.rung] = f"{progress.decision.decision}: {progress.decision.reason}"
        if progress.seed is not None and progress.scores is not None and progress.baseline is not None:
            self.scores.setdefault(progress.rung, {})[progress.seed] = progress.scores
            self.baselines.setdefault(progress.rung, {})[progress.seed] = progress.baseline

    def left(self) -> str:
        """How long it can still take at most, by the seeds so far; several may have been under way at once."""
        seeds = len(self.scores.get(self.at, {}))
        if not self._most() or not seeds or self.at in self.decisions:
            return ""
        pace = (time.monotonic() - self.since) / seeds
        return f"at most {told_seconds((self._most() - seeds) * pace)} more at this rung"

    def _most(self) -> int:
        """Seeds that the rung may take; 0 where it takes none."""
        gates = [plan.gate for plan in self.ladder.rungs if plan.name == self.at and plan.gate is not None]
        return gates[0].looks[-1] if gates else 0

    def line(self) -> str:
        """All that in a line, for a log."""
        if self.holder is not None:
            return "; ".join([f"{self.name}: {self._waits()}", *self.elsewhere])
        seeds = len(self.scores.get(self.at, {}))
        done = f", seeds done: {seeds} of at most {self._most()}" if seeds else ""
        told = [f"{self.name}: {self.at or 'gets ready'}{done}"]
        for training in list(self.trainings.values()):
            share, left = self._pace(training)
            what = f"{training.step} ({sanitize.terminal(training.at.what, 60)})" if training.at.what else training.step
            told.append(", ".join(filter(None, [f"{_whose(training)}: {what}", f"{share:.0%}", left])))
        return "; ".join(filter(None, [*told, self.left()]))

    def _waits(self) -> str:
        if self.holder is None:
            return ""
        lease = f"whose lease ends in {told_seconds(max(0.0, self.holder.left))} unless it is renewed"
        return f"{self.holder.told} is at it, {lease}; this command waits for its end, or takes over; Ctrl-C leaves it"

    def _pace(self, training: Training) -> tuple[float, str]:
        """How much of its step a training has done, and how long the rest takes at this pace."""
        share = training.at.done / training.at.total if training.at.total else 0.0
        took = time.monotonic() - self.begun[training.whose, training.seed, training.step]
        return share, f"{told_seconds(took * (1.0 - share) / share)} left" if 0.0 < share < 1.0 else ""

    def _training(self, training: Training) -> Table:
        """What is being trained or scored, its time left, and the newest point of its learning curve."""
        at, (share, left) = training.at, self._pace(training)
        curve = ", ".join(f"{sanitize.terminal(name, 40)} {value:.3f}" for name, value in list(at.curve.items())[:4])
        table = Table.grid(padding=(0, 2))
        who = f"{_whose(training)}: {training.step} {sanitize.terminal(at.what, 60)}"
        bar = ProgressBar(total=1.0, completed=share, width=30)
        table.add_row(Text(who), bar, Text(f"{share:4.0%}"), Text(left), Text(curve))
        return table

    def render(self) -> Group:
        """The rungs, and the metrics of the one that trains against its baseline."""
        table = Table("rung", "", "seeds", "what the gate says", title=called(self.ladder.name, self.ladder.digest))
        for plan in self.ladder.rungs:
            told = self.decisions.get(plan.name, "")
            mark = "✓" if told.startswith("promote") else "✗" if told else "…" if plan.name == self.at else ""
            seeds = str(len(self.scores.get(plan.name, {})) or "")
            table.add_row(plan.name, mark, seeds, Text(sanitize.terminal(told, 300)))
        tables: list[Table | Text] = []
        for rung in self.scores:
            gate = next(plan.gate for plan in self.ladder.rungs if plan.name == rung)
            if gate is not None:
                tables += [difference_table(rung, gate, self.scores[rung], self.baselines[rung])]
            tables += _curves(self.scores[rung], self.baselines[rung])
        tables += [self._training(each) for each in list(self.trainings.values())]
        tables += [Text(sentence, style="dim") for sentence in self.told]
        tables += [Text(told) for told in ([self._waits(), *self.elsewhere] if self.holder is not None else [])]
        return Group(table, *tables, Text(f"{time.monotonic() - self.started:.0f} s  {self.left()}", style="dim"))


def _whose(training: Training) -> str:
    return f"{training.whose}, seed {training.seed}"


def _curves(scores: dict[int, dict[str, float]], baseline: dict[int, dict[str, float]]) -> list[Text]:
    """Learning curves in a line each, means over the seeds."""
    out = []
    for whose, measured in (("candidate", scores), ("baseline", baseline)):
        for metric, points in mean_curves(measured.values()).items():
            out.append(Text(f"{metric} by step, {whose}: {line(points)}"))
    return out


@click.command("run")
@click.argument("path", type=click.Path(path_type=Path))
@ladder_option("The ladder to climb, or a .toml file.")
@click.option("--gpu", default="none", show_default=True, metavar="auto|none|N,...", help="The GPU for it.")
@click.option("--runtime", metavar="NAME", help="A runtime of the container engine, such as runsc (gVisor).")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Files or folders to leave out of a folder, as *.py.")
@again_option
@data_option
@log_level_option
@ledger_options
def run_command(
    path: Path,
    *,
    profile: str,
    gpu: str,
    runtime: str | None,
    exclude: tuple[str, ...],
    again: bool,
    data_dir: str | None,
    log_level: str | None,
    folder: Path,
    database: str | None,
) -> None:
    """Submit one candidate, or a folder of them, and climb the whole ladder with each, in this process.

    A candidate that has a finished run is answered from the ledger, and one that is the same function as another's by
    that one's run, its exit code too. Interrupted or killed, the same command goes on where it was. One that another
    worker is at is waited for, and taken over where that one has died. Exit code, the worst of all: 0 it came to the
    end (or waits for a person), 1 rejected, 3 a fault of ours.
    """
    console = Terminal(stderr=True)
    logs.set_up(logs.Wish(log_level) if log_level else None)
    ladder = load(profile)
    candidates = read_all([path], exclude)  # before a ledger is made for them
    check_inputs(ladder, folder.resolve(), data_dir)  # and before anything is queued
    tell_excluded([path], exclude)
    with open_ledger(folder, database) as ledger:
        numbers = list(dict.fromkeys(s.run for s in submit(candidates, ledger=ledger, profile=profile, again=again)))
        runs = []
        for place, number in enumerate(numbers, 1):
            name = f"{place} of {len(numbers)}" if len(numbers) > 1 else ""
            orders = WorkerConfig(
                folder.resolve(),
                profile,
                database=database,
                drain=True,
                only=number,
                runtime=runtime,
                data_dir=data_dir,
            )
            run = _ended(ledger, ladder, orders, gpu, console, name)
            while run.state is State.DUPLICATE and run.same_as is not None:
                _tell(run, console)
                other = ledger.run(run.same_as)
                told = f"run {other.id}, {name_of(other)}, answers for it; --again runs it all the same"
                console.print(Text(told))
                run = _ended(ledger, ladder, replace(orders, only=other.id), gpu, console, name)
            _tell(run, console)
            _draw(ledger, run, folder / "plots" / f"run-{run.id}", console)
            runs.append(run)
    if len(runs) > 1:
        console.print(_summary(runs))
    sys.exit(max(_CODES.get(run.state, _OURS) for run in runs))  # the larger the worse


def _ended(ledger: Ledger, ladder: Ladder, orders: WorkerConfig, gpu: str, console: Console, name: str) -> Run:
    """A run at its end: climbed here, or waited for where somebody else climbs. Raises KeyboardInterrupt."""
    number = int(orders.only or 0)
    run = ledger.run(number)
    if run.state in {State.FAILED, State.CANCELLED}:
        run = ledger.retry(number)
    if run.state not in {State.QUEUED, State.RUNNING}:
        if run.state in {State.COMPLETED, State.REJECTED} and by_other_code(ledger, ladder, number):
            told = f"run {number} is answered from the ledger, measured by other code; --again measures it anew"
            console.print(Text(told))
        return run
    meet(ladder, ledger.folder, gpu=gpu, data_dir=orders.data_dir)
    needs = tuple(sorted({plan.needs for plan in ladder.rungs}))
    place = WorkerSlot(f"{owner_name()}/run", needs=needs, gpu=gpu)
    seen = _Seen(ladder, " ".join([name, f"run {number}", name_of(run)]).strip())
    watched = console.is_terminal

    def waiting(holder: Holder) -> None:
        if seen.wait_for(holder, ledger, number) and not watched:
            say(seen.line())

    with heeding(Stop(say=say)) as stop:
        try:
            with (
                paced(seen.line),
                Live(get_renderable=seen.render, console=console, refresh_per_second=4, auto_refresh=watched),
            ):
                work(
                    place,
                    orders,
                    stopping=stop,
                    watch=lambda _, progress: seen.take(progress),
                    tell=say,
                    waiting=waiting,
                )
        finally:
            if not watched:
                console.line()  # Rich ends its display so on a terminal alone
            run = ledger.run(number)
            if stop():
                _tell(run, console)
        if stop():
            raise KeyboardInterrupt
    return run


def _summary(runs: list[Run]) -> Table:
    """All runs of a folder in a table."""
    table = Table("run", "candidate", "state", "", title=f"{len(runs)} candidates")
    for run in runs:
        state = Text(str(run.state), style=state_style(run))
        table.add_row(str(run.id), Text(name_of(run)), state, Text(sanitize.one_line(run.reason, 120)))
    return table


def _draw(ledger: Ledger, run: Run, folder: Path, console: Console) -> None:
    """Leave pictures beside the ledger. That none can be drawn is said, and changes nothing else."""
    try:
        made = draw_run(ledger, run, folder)
    except UserError as error:
        console.print(Text(f"no pictures: {error.message}", style="dim"))
        return
    if made:
        console.print(Text(f"{len(made)} pictures in {folder}", style="dim"))


def _tell(run: Run, console: Console) -> None:
    console.print(Text(f"run {run.id}  {name_of(run)}  "), Text(str(run.state), style=state_style(run)), end="  ")
    console.print(Text(sanitize.terminal(run.reason, 400)))
    if run.state is State.RUNNING:
        console.print(Text("another worker goes on with it; the same command waits for its end"))
    elif run.state is State.QUEUED:
        console.print(Text("the same command goes on with it"))
    if run.state is State.HELD:
        console.print(Text(f"`harness approve {run.id}` lets it go on"))
