"""Workers on this host: a process for each place, which is a GPU, or some cores and memory where there is none."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import queue
import signal
import socket
import time
from typing import TYPE_CHECKING

from harness.checks.checker import Checker
from harness.checks.options import Options
from harness.containers.devices import host_gpus
from harness.core.errors import HarnessError, InfrastructureError, UserError
from harness.core.imports import safe_children
from harness.core.limits import MIB
from harness.core.stopping import LAST, Stop, heeding
from harness.ladder import logs
from harness.ladder.ladder import load
from harness.ladder.worker import WorkerConfig, WorkerSlot
from harness.workers import News, work_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess

#: Cores that one run keeps busy (measured, bench/README.md): its sandbox or trainer, and, half of the time, its judge.
_BUSY = 1.5
#: Memory that a place without a GPU is counted with: its process, two sandboxes, two trainers (measured there, too).
_MEMORY = 4096 * MIB
#: How long news are taken in before it is looked at anything else, in seconds.
_TURN = 0.5
#: Deaths of workers at one place, one soon after another, after which something else must be wrong.
_MOST_DEATHS = 5
_SOON_SECONDS = 30.0
#: How long all workers together may take to end. Each ends itself sooner, however it stands (`harness.core.stopping`).
_FAREWELL_SECONDS = LAST + 5.0


def local_places(slots: int | None = None, gpus_each: int = 1) -> list[WorkerSlot]:
    """The places of this host: one for every `gpus_each` GPUs, else `places_for` its cores, or as many as asked for.

    Raises UserError for more GPUs each than there are.
    """
    host = socket.gethostname()
    gpus = host_gpus()
    if gpus_each > max(1, len(gpus)) or (gpus_each > 1 and slots is not None):
        raise UserError(
            f"a place cannot have {gpus_each} GPUs here", remedy=f"this host has {len(gpus)}; --slots are CPU places"
        )
    if gpus and slots is None:
        groups = [gpus[i : i + gpus_each] for i in range(0, len(gpus) - gpus_each + 1, gpus_each)]
        named = [("+".join(map(str, group)), ",".join(map(str, group))) for group in groups]
        return [WorkerSlot(f"{host}/gpu/{name}", needs=("gpu", "cpu"), gpu=wish) for name, wish in named]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    count = slots or places_for(os.cpu_count() or 1, memory)
    return [WorkerSlot(f"{host}/cpu/{i}") for i in range(count)]


def places_for(cores: int, memory: int) -> int:
    """How many runs at a time keep so many cores busy, and fit into so many bytes: at least one."""
    return max(1, min(math.ceil(cores / _BUSY), memory // _MEMORY))


class LocalEngine:
    """See the module."""

    def __init__(self, slots: int | None = None, gpus_each: int = 1) -> None:
        self.places = local_places(slots, gpus_each)

    def serve(self, orders: WorkerConfig, *, stopping: Callable[[], bool], news: Callable[[News], None]) -> int:
        """Keep a worker process at each place; see `ExecutionEngine`."""
        self._try(orders)
        context = multiprocessing.get_context("spawn")
        with safe_children():
            told: multiprocessing.Queue[object] = context.Queue()
        workers: dict[str, BaseProcess] = {}
        deaths: dict[str, list[float]] = {}
        climbs = 0

        def start(place: WorkerSlot) -> None:
            workers[place.name] = context.Process(target=_worker, args=(place, orders, told, os.getpid()))
            with safe_children():
                workers[place.name].start()

        for place in self.places:
            start(place)
        try:
            while workers and not stopping():
                climbs += _listen(told, news)
                for place in self.places:
                    worker = workers.get(place.name)
                    if worker is None or worker.is_alive():
                        continue
                    worker.join()
                    del workers[place.name]
                    if worker.exitcode:
                        _count(deaths.setdefault(place.name, []), place)
                        news(
                            News(place.name, 0, f"its worker ended with {worker.exitcode}; another one takes its place")
                        )
                        start(place)
        finally:
            for worker in workers.values():
                with contextlib.suppress(ProcessLookupError, AttributeError):
                    worker.terminate()
            until = time.monotonic() + _FAREWELL_SECONDS
            for worker in workers.values():
                worker.join(max(0.0, until - time.monotonic()))
                if worker.is_alive():
                    worker.kill()
            climbs += _listen(told, news)
            told.cancel_join_thread()
            told.close()
        return climbs

    def _try(self, orders: WorkerConfig) -> None:
        """See that there is an engine and an image: told at once here, and waited for by workers later."""
        profile = load(orders.ladder).properties
        with Checker.open(Options(profile=profile, gpu=self.places[0].gpu, runtime=orders.runtime)):
            pass


def _count(deaths: list[float], place: WorkerSlot) -> None:
    """Note a death; give up where they follow one another too soon."""
    deaths.append(time.monotonic())
    recent = [at for at in deaths if at > time.monotonic() - _SOON_SECONDS]
    if len(recent) >= _MOST_DEATHS:
        raise InfrastructureError(f"workers at {place.name} die as soon as they start", remedy="run `harness doctor`")


def _listen(told: multiprocessing.Queue[object], news: Callable[[News], None]) -> int:
    """Pass on what workers said; give the number of climbs that ended. Raises what a worker could not get over."""
    climbs, until = 0, time.monotonic() + _TURN
    with contextlib.suppress(queue.Empty):
        while time.monotonic() < until:
            item = told.get(timeout=0.2)
            if isinstance(item, HarnessError):
                raise item
            if isinstance(item, News):
                climbs += item.what.startswith("ended:")
                news(item)
    return climbs


def _worker(place: WorkerSlot, orders: WorkerConfig, told: multiprocessing.Queue[object], parent: int) -> None:
    """One worker process. It ends soon when it is asked to, or when its parent is gone."""

    def stopping() -> bool:
        if os.getppid() != parent:
            stop.now()
        return stop()

    logs.set_up(orders.log)
    try:
        # Ctrl-C reaches the group; the parent decides.
        with heeding(Stop(patient=True), ignoring=(signal.SIGINT,)) as stop:
            work_at(place, orders, stopping=stopping, news=told.put)
    except HarnessError as error:
        told.put(InfrastructureError(error.message, remedy=error.remedy))
    if os.getppid() == parent:  # else nobody reads it
        told.close()
        told.join_thread()
    os._exit(0)
