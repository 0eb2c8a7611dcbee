"""What `harness frontier` and `harness diverge` share: options, the trainings with a display, what came of them."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.checks.checker import Checker
from harness.checks.options import Options
from harness.cli.ledgers import folder_option, log_level_option
from harness.cli.paced import paced, told_seconds
from harness.cli.progress import say
from harness.core.errors import CandidateFault, StoppedError
from harness.core.stopping import Stop, heeding
from harness.ladder import logs
from harness.ladder.curves import without_points
from harness.ladder.ladder import called, load
from harness.ladder.needs import meet
from harness.ladder.sweep import Sweep, Training, Watch, losses_of, run_all, rung_of
from harness.plots import plots
from harness.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.ladder.plan import Ladder, RungPlan
    from harness.ladder.sweep import Loss
    from harness.protocol.job import Progress, Step
    from harness.subject.subject import Subject

    _ParamType = click.ParamType[tuple[float, ...]]
else:
    _ParamType = click.ParamType  # older ones of click take no type


class Numbers(_ParamType):
    """Numbers with commas or blanks between them; `words` are some that stand for a number."""

    name = "numbers"

    def __init__(self, words: dict[str, float] | None = None, *, least: float = 0.0) -> None:
        """Take numbers above `least`, and words."""
        self._words, self._least = words or {}, least

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Read them; each may stand there once."""
        if isinstance(value, tuple):
            return value
        parts = str(value).replace(",", " ").split()
        try:
            found = tuple(self._words[part] if part in self._words else float(part) for part in parts)
        except ValueError:
            self.fail(f"{value!r} is no list of numbers such as 0.1,0.5,1", param, ctx)
        wrong = [n for n, part in zip(found, parts, strict=True) if part not in self._words and not self._fits(n)]
        if not found or wrong or len(set(found)) < len(found):
            self.fail(f"{value!r} has to be different positive numbers, one or more", param, ctx)
        return found

    def _fits(self, number: float) -> bool:
        return self._least < number < math.inf


def sweep_options(seeds: int, out: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options of commands that train losses at several settings."""
    options = (
        click.argument("words", nargs=-1, required=True, metavar="LOSS..."),
        click.option("--seeds", default=seeds, show_default=True, type=click.IntRange(1, 1000), help="How many seeds."),
        click.option(
            "--ladder",
            "profile",
            default="reviews",
            show_default=True,
            help="Whose rung trains: reviews, imdb, a .toml file.",
        ),
        click.option("--jobs", default=1, show_default=True, type=click.IntRange(1, 64), help="Trainings at a time."),
        click.option("--gpu", default="none", show_default=True, metavar="auto|none|N", help="The GPU for them."),
        click.option("--runtime", metavar="NAME", help="A runtime of the container engine, such as runsc (gVisor)."),
        click.option(
            "--out",
            type=click.Path(path_type=Path, file_okay=False),
            help=f"Where the document and the pictures go.  [default: {out} in the folder]",
        ),
        click.option("--json", "json_wanted", is_flag=True, help="Write the document to standard output."),
        log_level_option,
        folder_option,
    )

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@dataclass(frozen=True)
class Swept:
    """What came of a sweep: the metrics of each training, why losses failed, what each was asked beforehand."""

    ladder: Ladder
    rung: RungPlan
    losses: Sequence[Loss]
    found: dict[Training, dict[str, float]]
    failed: dict[str, str]
    asked: dict[str, dict[float, float]]

    @property
    def exit_code(self) -> int:
        """1 where a loss was refused or failed."""
        return 1 if self.failed else 0

    def as_json(self) -> dict[str, Any]:
        """What was trained with, as documents have it; the settings that a training changed stand beside it."""
        return {
            "ladder": called(self.ladder.name, self.ladder.digest),
            "rung": self.rung.name,
            "settings": dict(self.rung.settings),
            "losses": [
                {
                    "name": loss.name,
                    "path": loss.one.job.shown,
                    "sha256": loss.one.sha256,
                    "failed": self.failed.get(loss.name),
                }
                for loss in self.losses
            ],
        }


def plain_metrics(metrics: dict[str, float]) -> dict[str, float]:
    """The metrics of a training at one beta: without points of curves, and not twice under the beta's own name."""
    return {name: metrics[name] for name in without_points(sorted(metrics)) if "_at_" not in name}


@contextlib.contextmanager
def opened(given: dict[str, Any]) -> Iterator[tuple[Ladder, RungPlan, Checker, Stop]]:
    """A ladder, its rung, and what asks candidates. Raises before anything is begun what cannot be trained here."""
    plots.require_matplotlib()
    logs.set_up(logs.Wish(given["log_level"]) if given["log_level"] else None)
    ladder = load(given["profile"])
    plan = rung_of(ladder)
    folder = given["folder"].resolve()
    meet(replace(ladder, rungs=(plan,)), folder, gpu=given["gpu"])
    options = Options(profile=ladder.properties, gpu=given["gpu"], runtime=given["runtime"])
    with heeding(Stop(say=say)) as stop, Checker.open(options) as checker:
        try:
            yield ladder, plan, checker, stop
        except StoppedError:
            raise KeyboardInterrupt from None
        if stop():
            raise KeyboardInterrupt


def swept(
    words: Sequence[str],
    plans: Callable[[RungPlan], Sequence[RungPlan]],
    told: Callable[[Training], str],
    given: dict[str, Any],
    asks: Callable[[Subject], dict[float, float]] | None = None,
) -> Swept:
    """Train losses by each of the plans that `plans` makes of the ladder's rung, at each seed.

    `told` says in a few words which of the plans a training is by. `asks` asks each loss something beforehand.
    """
    with opened(given) as (ladder, plan, checker, stop):
        made = plans(plan)
        losses, asked = [], {}
        for loss in losses_of(words, checker):
            try:
                if asks is not None and not loss.refusal:
                    with checker.oracle(loss.one) as subject:
                        asked[loss.name] = asks(subject)
                losses.append(loss)
            except CandidateFault as fault:
                losses.append(replace(loss, refusal=fault.message))
        for loss in losses:
            if loss.refusal:
                say(f"harness: {loss.name} is refused: {loss.refusal}")
        wanted = [
            Training(loss.name, each, seed)
            for seed in range(given["seeds"])
            for loss in losses
            if not loss.refusal
            for each in made
        ]
        sweep, shown = Sweep(checker, ladder, given["folder"].resolve(), stop), _Shown(len(wanted), told)
        console = Terminal(stderr=True)
        live = Live(get_renderable=shown.render, console=console, transient=True, auto_refresh=console.is_terminal)
        with paced(shown.line), live:
            watch = Watch(shown.known, shown.going, shown.ended, shown.failed)
            found, failed = run_all(sweep, losses, wanted, watch, jobs=given["jobs"])
    return Swept(ladder, plan, losses, found, failed, asked)


@dataclass
class _Shown:
    """What a display knows of the trainings."""

    total: int
    told: Callable[[Training], str]
    done: int = 0
    made: int = 0
    began: float = field(default_factory=time.monotonic)
    under: dict[Training, str] = field(default_factory=dict)

    def going(self, training: Training, step: Step, at: Progress) -> None:
        """A training goes on."""
        share = f" {at.done / at.total:.0%}" if at.total else ""
        self.under[training] = f"{self._name(training)}: {step}{share}"

    def known(self, training: Training) -> None:
        """A training was made before."""
        self.done += 1
        logs.event("info", "training known", training=self._name(training))

    def ended(self, training: Training, metrics: dict[str, float]) -> None:
        """A training is over."""
        self.under.pop(training, None)
        self.done += 1
        self.made += 1
        told = {name: metrics[name] for name in ("reward", "kl", "finite") if name in metrics}
        logs.event("info", "trained", training=self._name(training), **told)
        figures = ", ".join(f"{name} {value:.3g}" for name, value in told.items())
        left = f"; {self._left()} left" if self._left() else ""
        say(f"{self.done} of {self.total}: {self._name(training)}: {figures}{left}")

    def failed(self, training: Training, fault: CandidateFault) -> None:
        """A loss fails: its other trainings are left out."""
        self.under.pop(training, None)
        logs.event("warning", "loss failed", training=self._name(training), message=fault.message)
        say(f"harness: {training.loss} fails, and is asked no more: {fault.message}")

    def line(self) -> str:
        """How far it is."""
        return "; ".join([f"{self.done} of {self.total} trainings", *list(self.under.values())])

    def render(self) -> Table:
        """The same on a terminal."""
        table = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=max(self.total, 1), completed=self.done, width=30)
        table.add_row(Text(f"{self.done} of {self.total} trainings"), bar, Text(self._left()))
        for line in list(self.under.values()):
            table.add_row(Text(line))
        return table

    def _name(self, training: Training) -> str:
        return f"{training.loss}, {self.told(training)}, seed {training.seed}"

    def _left(self) -> str:
        if not self.made or self.done >= self.total:
            return ""
        return told_seconds((time.monotonic() - self.began) / self.made * (self.total - self.done))
