"""`harness worker`: work on the queue."""

from __future__ import annotations

import math
import signal
import threading
from typing import TYPE_CHECKING

import click

from harness.cli.ledgers import data_option, ledger_options, open_ledger
from harness.errors import UserError
from harness.ladder.worker import Orders
from harness.ledger.holders import LONGEST_LEASE
from harness.ledger.queue import LEASE_SECONDS

if TYPE_CHECKING:
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
    engine that is away for a while is waited for.
    """
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
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    climbs = engine.serve(orders, stopping=stop.is_set, news=_say)
    click.echo(f"{climbs} attempts ended", err=True)


def _engine(name: str, address: str | None, slots: int | None, gpus_each: int) -> ExecutionEngine:
    if name == "ray":
        if gpus_each > 1:
            raise UserError("places of several GPUs are the local engine's", remedy="leave --gpus-each out")
        from harness.engine.ray import RayEngine  # noqa: PLC0415 - an extra

        return RayEngine(address or "auto", slots)
    from harness.engine.local import LocalEngine  # noqa: PLC0415 - one of the two

    return LocalEngine(slots, gpus_each)


def _say(news: News) -> None:
    click.echo(f"{news.place}  run {news.run}  {news.what}" if news.run else f"{news.place}  {news.what}", err=True)
