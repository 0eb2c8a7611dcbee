"""Workers on the machines of a Ray cluster: one actor a place, on the machine where the place is.

A machine has a place for each of its GPUs, else as many as its cores and memory give (`places_for`). Every machine
needs the harness, a container engine and the sandbox image; the ledger has to be a PostgreSQL that all of them reach
under one URL. Ray only places and watches: what was claimed, by whom and how far it came is the ledger's to say, so a
machine that is lost loses nothing but the time since the last seed. Not covered: the security of the cluster itself;
whoever may talk to Ray may run code on its machines, and reads the ledger's URL.
"""

from __future__ import annotations

import collections
import contextlib
import importlib
import socket
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.core.errors import HarnessError, InfrastructureError, UserError
from harness.core.stopping import LAST
from harness.ladder import logs
from harness.ladder.worker import WorkerConfig, WorkerSlot
from harness.ledger.database import VARIABLE, url_of
from harness.workers import News, work_at
from harness.workers.local import places_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: How often the actors are asked how they are, in seconds.
_LOOK_SECONDS = 1.0
#: How long a machine on which nothing could be done is left alone, and how long a farewell may take, in seconds.
_REST_SECONDS, _FAREWELL_SECONDS = 60.0, LAST
#: How often the cluster is asked to take this driver in.
_CONNECTIONS = 4
_REMEDY = "start one with `ray start --head`, or name it: --address ray://HOST:10001"


@dataclass(frozen=True)
class Spot:
    """A place on one machine, by Ray's name for that: GPU or CPU place `number`."""

    node: str
    number: int
    gpu: bool = False

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.node[:12]}/{'gpu' if self.gpu else 'cpu'}/{self.number}"


def spots_of(nodes: Iterable[Mapping[str, Any]], slots: int | None = None) -> list[Spot]:
    """The places of a cluster, from `ray.nodes()`; or as many CPU places as asked for, shared out over the machines.

    A machine with GPUs has a place for each; its other cores stay free for whatever trains there. Machines without
    processors (a head that only leads) have none.
    """
    alive = [n for n in nodes if n.get("Alive")]
    machines = sorted((str(n["NodeID"]), _whole(n, "CPU"), _whole(n, "GPU"), _whole(n, "memory")) for n in alive)
    working = [machine for machine in machines if machine[1]]
    if slots is not None:
        # One after the other to each machine; what has no room there waits until there is some.
        dealt = (divmod(n, len(working)) for n in range(slots if working else 0))
        return [Spot(working[at][0], n) for n, at in dealt]
    spots = []
    for node, cpus, gpus, memory in working:
        if gpus:
            spots += [Spot(node, n, gpu=True) for n in range(gpus)]
        else:  # never more than cores, so that there is one for each to ask Ray for
            spots += [Spot(node, n) for n in range(places_for(cpus, memory))]
    return spots


def _whole(node: Mapping[str, Any], resource: str) -> int:
    return int(float((node.get("Resources") or {}).get(resource, 0.0)))


class Worker:
    """One place on some machine: an actor's body. What it holds when it dies comes back when the lease ends."""

    def __init__(self, spot: Spot) -> None:
        self._spot = spot
        self._stop = False
        self._news: collections.deque[News] = collections.deque(maxlen=1000)

    def place(self) -> WorkerSlot:
        """The place, as the ledger is to know it: a GPU by its host and number, whoever works there."""
        devices = importlib.import_module("ray").get_gpu_ids()
        host = socket.gethostname()
        if devices:
            return WorkerSlot(f"{host}/gpu/{devices[0]}", needs=("gpu", "cpu"), gpu=str(devices[0]))
        return WorkerSlot(f"{host}/{self._spot.node[:12]}/cpu/{self._spot.number}")

    def serve(self, orders: WorkerConfig) -> None:
        """Work on the queue. Raises RuntimeError with a message for a fault of ours."""
        place = self.place()
        logs.set_up(orders.log)  # into what Ray keeps of this actor on its machine
        try:
            work_at(place, orders, stopping=lambda: self._stop, news=self._news.append)
        except HarnessError as error:
            raise RuntimeError(f"{error.message} ({error.remedy})") from None

    def told(self) -> list[News]:
        """What happened since this was asked last."""
        return [self._news.popleft() for _ in range(len(self._news))]

    def stop(self) -> None:
        """End soon."""
        self._stop = True


class RayEngine:
    """See the module. `slots` is the number of CPU places; by default the cluster's GPUs, cores and memory decide."""

    def __init__(self, address: str, slots: int | None = None) -> None:
        try:
            ray = importlib.import_module("ray")
        except ImportError as error:
            raise UserError("Ray is not installed", remedy="pip install 'preference-loss-harness[ray]'") from error
        self._ray: Any = ray
        self._address = address
        self._slots = slots

    def join(self) -> None:
        """Join the cluster. Its front end starts a process for each driver, which a busy head does not do in time."""
        if self._ray.is_initialized():
            return
        for left in range(_CONNECTIONS, 0, -1):
            try:
                self._ray.init(address=self._address, log_to_driver=False, logging_level="ERROR")
            except (ConnectionError, OSError, RuntimeError, TimeoutError) as error:
                if left > 1 and isinstance(error, ConnectionAbortedError):
                    time.sleep(_LOOK_SECONDS)
                    continue
                told = str(error).strip().partition("\n")[0]
                raise InfrastructureError(
                    f"there is no Ray cluster at {self._address}: {told}", remedy=_REMEDY
                ) from error
            return

    def spots(self) -> list[Spot]:
        """The places that the cluster has now."""
        return spots_of(self._ray.nodes(), self._slots)

    def start(self, spot: Spot) -> Any:
        """An actor for a place, on that place's machine and no other."""
        on = importlib.import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
        options = {"num_gpus": int(spot.gpu), "num_cpus": 1}
        strategy = on(node_id=spot.node, soft=False)
        # Three methods at once: it works, it tells, it is asked to stop.
        return self._ray.remote(Worker).options(max_concurrency=3, scheduling_strategy=strategy, **options).remote(spot)

    def serve(self, orders: WorkerConfig, *, stopping: Callable[[], bool], news: Callable[[News], None]) -> int:
        """Keep an actor at each place; see `ExecutionEngine`."""
        orders = replace(orders, database=_shared(orders))
        self.join()
        crew = _Crew(self, orders, news)
        try:
            while not stopping():
                crew.fill(self.spots())
                crew.look()
                if orders.drain and crew.through:
                    break
        finally:
            crew.farewell()
        return crew.climbs


class _Crew:
    """The actors of one call of `serve`."""

    def __init__(self, engine: RayEngine, orders: WorkerConfig, news: Callable[[News], None]) -> None:
        self._engine, self._orders, self._news = engine, orders, news
        self._ray = engine._ray  # noqa: SLF001 - two halves of one thing
        self.climbs = 0
        self._actors: dict[Spot, Any] = {}
        #: What is awaited of each: its end, and what it has to tell.
        self._ends: dict[Any, Spot] = {}
        self._asked: dict[Any, Spot] = {}
        self._done: set[Spot] = set()
        self._resting: dict[Spot, float] = {}

    @property
    def through(self) -> bool:
        """Whether the queue was found empty, and nobody is at work any more."""
        return bool(self._done) and not self._ends

    def fill(self, spots: list[Spot]) -> None:
        """An actor for each place that has none; machines come and go."""
        for spot in set(self._actors) - set(spots):
            self._forget(spot, "its machine has left the cluster")
        self._resting = {spot: until for spot, until in self._resting.items() if until > time.monotonic()}
        for spot in spots:
            if spot in self._actors or spot in self._done or spot in self._resting:
                continue
            actor = self._actors[spot] = self._engine.start(spot)
            self._ends[actor.serve.remote(self._orders)] = spot
            self._asked[actor.told.remote()] = spot

    def look(self) -> None:
        """Pass on what was told; find out who has ended, and how. Raises InfrastructureError where nobody can work."""
        awaited = [*self._ends, *self._asked]
        if not awaited:
            time.sleep(_LOOK_SECONDS)
            return
        # All that is there; one that is lost is known by its end.
        self._ray.wait(list(self._ends), timeout=_LOOK_SECONDS)
        ready, _ = self._ray.wait(awaited, num_returns=len(awaited), timeout=0.1)
        for reference in ready:
            if reference in self._asked:
                self._heard(reference)
        for reference in ready:
            if reference in self._ends:
                self._ended(reference)

    def _heard(self, reference: Any) -> None:
        spot = self._asked.pop(reference)
        try:
            self._pass_on(self._ray.get(reference))
        except self._ray.exceptions.RayError:
            return  # its end says more
        if spot in self._actors:
            self._asked[self._actors[spot].told.remote()] = spot

    def _pass_on(self, told: list[News]) -> None:
        for item in told:
            self.climbs += item.what.startswith("ended:")
            self._news(item)

    def _ended(self, reference: Any) -> None:
        spot = self._ends.pop(reference)
        try:
            self._ray.get(reference)
            self._pass_on(self._ray.get(self._actors[spot].told.remote(), timeout=10.0))
            self._done.add(spot)
            self._forget(spot)
        except self._ray.exceptions.RayTaskError as error:
            self._forget(spot, f"nothing can be done there: {error.cause}")
            self._resting[spot] = time.monotonic() + _REST_SECONDS
            if not self._ends and not self._done:
                raise InfrastructureError(f"no machine of the cluster can work: {error.cause}") from error
        except self._ray.exceptions.RayError as error:
            told = " ".join(str(error).split())[:300]
            self._forget(spot, f"its worker was lost ({type(error).__name__}: {told}); another one takes its place")

    def _forget(self, spot: Spot, why: str = "") -> None:
        actor = self._actors.pop(spot, None)
        for awaited in (self._ends, self._asked):
            for reference in [r for r, s in awaited.items() if s == spot]:
                del awaited[reference]
        if actor is not None:
            self._ray.kill(actor)
        if why:
            self._news(News(spot.name, 0, why))

    def farewell(self) -> None:
        """Let them end; those that do not are ended."""
        for actor in self._actors.values():
            actor.stop.remote()
        until = time.monotonic() + _FAREWELL_SECONDS
        while self._ends and time.monotonic() < until:
            ready, _ = self._ray.wait(list(self._ends), timeout=_LOOK_SECONDS)
            for reference in ready:
                self._done.add(self._ends.pop(reference))
        for spot in list(self._actors):
            if spot in self._done:
                with contextlib.suppress(self._ray.exceptions.RayError):
                    self._pass_on(self._ray.get(self._actors[spot].told.remote(), timeout=5.0))
            self._forget(spot)


def _shared(orders: WorkerConfig) -> str:
    """The ledger's URL, for machines that have neither this one's environment nor its files."""
    url = url_of(orders.folder, orders.database)
    if url.drivername.startswith("sqlite"):
        raise UserError(
            "a SQLite ledger is on this machine, and Ray's machines cannot reach it",
            remedy=f"name a PostgreSQL database by --database or {VARIABLE}",
        )
    return url.render_as_string(hide_password=False)
