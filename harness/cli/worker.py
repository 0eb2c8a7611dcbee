"""`harness worker`: work on the queue."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import click

from harness.cli.ledgers import data_option, ledger_options, open_ledger, read_ledger, underway_of
from harness.cli.paced import paced, told_seconds
from harness.cli.telling import say, tell
from harness.errors import InfrastructureError, UserError
from harness.ladder.profile import load
from harness.ladder.worker import Orders
from harness.ledger.holders import LONGEST_LEASE
from harness.ledger.queue import LEASE_SECONDS
from harness.ledger.states import FINAL, State
from harness.stopping import LAST, Stop, heeding

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.engine.base import ExecutionEngine, News


@click.command("worker")
@click.option("--engine", "engine_name", type=click.Choice(["local", "ray"]), default="local", show_default=True)
@click.option("--address", metavar="URL", help="The Ray cluster, such as ray://head:10001. [default: auto]")
@click.option("--slots", type=click.IntRange(1, 1024), help="CPU places. [default: a GPU each, or two cores each]")
@click.option(
    "--gpus-each",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="GPUs of a place, for ladders whose trainers have several processes (local engine).",
)
@click.option("--drain", is_flag=True, help="End when the queue is empty.")
@click.option("--profile", default="bandit", show_default=True, help="A ladder whose properties it judges by.")
@click.option(
    "--lease",
    default=LEASE_SECONDS,
    show_default=True,
    type=click.FloatRange(3.0, LONGEST_LEASE),
    help="Seconds after which what a silent worker held is given to another one; renewed three times in that time.",
)
@click.option("--runtime", metavar="NAME", help="A runtime of the container engine, such as runsc (gVisor).")
@data_option
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
    folder: Path,
    database: str | None,
) -> None:
    """Work on the queue until told to stop (Ctrl-C), or until it is empty.

    What a worker holds when it is stopped goes back into the queue, and on where it was. A ledger or a container
    engine that is away for a while is waited for. Told a second time, it ends at once.
    """
    load(profile)  # as is a ladder that nobody could climb
    open_ledger(folder, database).close()  # a ledger that cannot be opened is told here, and not by each worker
    orders = Orders(
        folder.resolve(),
        profile,
        database=database,
        drain=drain,
        runtime=runtime,
        lease=lease,
        patience=math.inf,
        data_dir=data_dir,
    )
    engine = _engine(engine_name, address, slots, gpus_each)
    standing = Standing(folder, database)
    with heeding(Stop(2.0 * LAST, say=say)) as stop, paced(standing.line):  # its workers have to end before it does
        climbs = engine.serve(orders, stopping=stop, news=_say)
    tell(f"{climbs} attempts ended", err=True)


def _engine(name: str, address: str | None, slots: int | None, gpus_each: int) -> ExecutionEngine:
    if name == "ray":
        if gpus_each > 1:
            raise UserError("places of several GPUs are the local engine's", remedy="leave --gpus-each out")
        from harness.engine.ray import RayEngine  # noqa: PLC0415 - an extra

        return RayEngine(address or "auto", slots)
    from harness.engine.local import LocalEngine  # noqa: PLC0415 - one of the two

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


def _say(news: News) -> None:
    tell(f"{news.place}  run {news.run}  {news.what}" if news.run else f"{news.place}  {news.what}", err=True)
