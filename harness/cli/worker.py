"""`harness worker`: work on the queue."""

from __future__ import annotations

import math
import sys
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from harness.cli.ledgers import (
    data_option,
    ladder_option,
    ledger_options,
    log_format_option,
    log_level_option,
    open_ledger,
    read_ledger,
    underway_of,
)
from harness.cli.paced import paced, told_seconds
from harness.cli.progress import say, tell
from harness.core.errors import HarnessError, InfrastructureError, UserError
from harness.core.stopping import LAST, Stop, heeding
from harness.ladder import logs
from harness.ladder.ladder import load
from harness.ladder.worker import WorkerConfig
from harness.ledger.queue import LEASE_SECONDS, LONGEST_LEASE
from harness.ledger.records import FINAL, State

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.workers import ExecutionEngine, News


@click.command("worker")
@click.option("--engine", "engine_name", type=click.Choice(["local", "ray"]), default="local", show_default=True)
@click.option("--address", metavar="URL", help="The Ray cluster, such as ray://head:10001. [default: auto]")
@click.option(
    "--slots",
    type=click.IntRange(1, 1024),
    help="CPU places. [default: a GPU each; or two for every three cores, of 4 GiB]",
)
@click.option(
    "--gpus-each",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="GPUs of a place, for ladders whose trainers have several processes (local engine).",
)
@click.option("--drain", is_flag=True, help="End when the queue is empty.")
@ladder_option("A ladder whose properties it judges by.")
@click.option(
    "--lease",
    default=LEASE_SECONDS,
    show_default=True,
    type=click.FloatRange(3.0, LONGEST_LEASE),
    help="Seconds after which what a silent worker held is given to another one; renewed three times in that time.",
)
@click.option("--runtime", metavar="NAME", help="A runtime of the container engine, such as runsc (gVisor).")
@data_option
@log_level_option
@log_format_option
@ledger_options
def worker_command(
    *,
    engine_name: str,
    address: str | None,
    slots: int | None,
    gpus_each: int,
    drain: bool,
    profile: str,
    lease: float,
    runtime: str | None,
    data_dir: str | None,
    log_level: str | None,
    log_format: str | None,
    folder: Path,
    database: str | None,
) -> None:
    """Work on the queue until told to stop (Ctrl-C), or until it is empty.

    What a worker holds when it is stopped goes back into the queue, and on where it was. A ledger or a container
    engine that is away for a while is waited for. Told a second time, it ends at once.
    """
    wish = logs.Wish(log_level or "info", log_format or "text") if log_level or log_format else None
    logs.set_up(wish)
    alone = log_format == "json"  # whoever reads it expects nothing else there
    try:
        load(profile)  # as is a ladder that nobody could climb
        open_ledger(folder, database).close()  # a ledger that cannot be opened is told here, and not by each worker
        orders = WorkerConfig(
            folder.resolve(),
            profile,
            database=database,
            drain=drain,
            runtime=runtime,
            lease=lease,
            patience=math.inf,
            data_dir=data_dir,
            log=wish,
        )
        engine = _engine(engine_name, address, slots, gpus_each)
        climbs = _serve(engine, orders, Standing(folder, database), alone=alone)
    except HarnessError as error:
        if not alone:
            raise
        logs.fault(error)
        sys.exit(error.exit_code)
    if not alone:
        tell(f"{climbs} attempts ended", err=True)


def _serve(engine: ExecutionEngine, orders: WorkerConfig, standing: Standing, *, alone: bool) -> int:
    """Let the engine work; `alone` is a log that nothing else is to be written into. Gives the attempts."""
    began = time.monotonic()
    stop = Stop(2.0 * LAST, say=_log if alone else say)  # its workers have to end before it does
    with heeding(stop), nullcontext() if alone else paced(standing.line):
        climbs = engine.serve(orders, stopping=stop, news=_unsaid if alone else _say)
    logs.event("info", "all ended", attempts=climbs, seconds=time.monotonic() - began, stopped=stop())
    return climbs


def _engine(name: str, address: str | None, slots: int | None, gpus_each: int) -> ExecutionEngine:
    if name == "ray":
        if gpus_each > 1:
            raise UserError("places of several GPUs are the local engine's", remedy="leave --gpus-each out")
        from harness.workers.ray import RayEngine  # noqa: PLC0415 - an extra

        return RayEngine(address or "auto", slots)
    from harness.workers.local import LocalEngine  # noqa: PLC0415 - one of the two

    return LocalEngine(slots, gpus_each)


class Standing:
    """How far the queue is, in a line for a log. The runs that ended since the beginning give the pace."""

    def __init__(self, folder: Path, database: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._database, self._clock = folder, database, clock
        self._begun, self._ended = clock(), self._counted()

    def line(self) -> str:
        """What ended since the beginning, what is left, what is being trained. Empty where the ledger is away."""
        try:
            with read_ledger(self._folder, self._database) as ledger:
                counts, trained = ledger.counts(), ledger.underway()
        except (InfrastructureError, UserError):
            return ""
        ended = sum(counts.get(state, 0) for state in FINAL) - self._ended
        left = counts.get(State.QUEUED, 0) + counts.get(State.RUNNING, 0)
        told = [f"{ended} runs ended, {counts.get(State.RUNNING, 0)} running, {counts.get(State.QUEUED, 0)} queued"]
        if ended > 0 and left:
            told[0] += f", about {told_seconds((self._clock() - self._begun) * left / ended)} left at this pace"
        told += [f"run {run} {underway_of(one)}" for run, several in trained.items() for one in several]
        return "; ".join(told)

    def _counted(self) -> int:
        try:
            with read_ledger(self._folder, self._database) as ledger:
                return sum(ledger.counts().get(state, 0) for state in FINAL)
        except (InfrastructureError, UserError):
            return 0


def _log(sentence: str) -> None:
    logs.event("warning", "note", message=sentence)


def _unsaid(news: News) -> None:
    """The workers log by themselves what they tell; what befalls one is known here alone."""
    if not news.run and news.what.startswith("its worker"):
        logs.event("warning", "worker lost", place=news.place, message=news.what)


def _say(news: News) -> None:
    tell(f"{news.place}  run {news.run}  {news.what}" if news.run else f"{news.place}  {news.what}", err=True)
