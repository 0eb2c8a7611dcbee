"""Workers on the machines of a Ray cluster: one actor a place, put by Ray where a GPU or two cores are free.

Every machine needs the harness, a container engine and the sandbox image; the ledger has to be a PostgreSQL that all
of them reach. Ray only places and restarts: what was claimed, by whom and how far it came is the ledger's to say, so a
machine that is lost loses nothing but the time since the last seed. Not covered: the security of the cluster itself;
whoever may talk to Ray may run code on its machines.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from harness.engine.base import News
from harness.engine.local import CORES
from harness.errors import HarnessError, InfrastructureError, UserError
from harness.ladder.worker import Orders, Place, work

if TYPE_CHECKING:
    from collections.abc import Callable

#: How often the actors are asked how they are, in seconds.
_LOOK_SECONDS = 1.0
_REMEDY = "start one with `ray start --head`, or name it: --address ray://HOST:10001"


class _Worker:
    """One place on some machine: an actor's body. What it holds when it dies comes back when the lease ends."""

    def __init__(self, index: int, *, gpu: bool) -> None:
        self._index, self._gpu = index, gpu
        self._stop = False

    def serve(self, orders: Orders) -> int:
        """Work on the queue; give the number of climbs. Raises RuntimeError with a message for a fault of ours."""
        import ray  # noqa: PLC0415 - an extra

        context = ray.get_runtime_context()
        devices = ray.get_gpu_ids() if self._gpu else []
        kind = f"gpu/{devices[0]}" if devices else f"cpu/{self._index}"
        place = Place(
            f"{context.get_node_id()[:12]}/{kind}",
            needs=("gpu", "cpu") if devices else ("cpu",),
            gpu=str(devices[0]) if devices else "none",
        )
        try:
            return work(place, orders, stopping=lambda: self._stop)
        except HarnessError as error:
            raise RuntimeError(f"{error.message} ({error.remedy})") from None

    def stop(self) -> None:
        """End between two seeds."""
        self._stop = True


class RayEngine:
    """See the module. `slots` is the number of places; by default what the cluster's resources allow."""

    def __init__(self, address: str, slots: int | None = None) -> None:
        try:
            import ray  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise UserError("Ray is not installed", remedy="pip install 'preference-loss-harness[ray]'") from error
        self._ray: Any = ray
        try:
            if not ray.is_initialized():
                ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, OSError, RuntimeError, TimeoutError) as error:
            raise InfrastructureError(f"there is no Ray cluster at {address}: {error}", remedy=_REMEDY) from error
        self._slots = slots

    def serve(self, orders: Orders, *, stopping: Callable[[], bool], news: Callable[[News], None]) -> int:
        """Keep an actor at each place; see `ExecutionEngine`."""
        ray = self._ray
        actors: dict[int, Any] = {}
        waiting: dict[Any, int] = {}
        climbs, done = 0, set[int]()

        def start(index: int) -> None:
            gpu = self._wants_gpu()
            options = {"num_gpus": 1, "num_cpus": 1} if gpu else {"num_cpus": CORES}
            actors[index] = ray.remote(_Worker).options(max_concurrency=2, **options).remote(index, gpu=gpu)
            waiting[actors[index].serve.remote(orders)] = index

        try:
            while not stopping():
                # Machines come and go: as many places as there are now, and none twice.
                for index in range(self._places()):
                    if index not in actors and index not in done:
                        start(index)
                ready, _ = ray.wait(list(waiting), timeout=_LOOK_SECONDS) if waiting else ([], [])
                for reference in ready:
                    index = waiting.pop(reference)
                    del actors[index]
                    try:
                        climbs += ray.get(reference)
                        done.add(index)
                    except ray.exceptions.RayTaskError as error:
                        raise InfrastructureError(f"a worker could not go on: {error.cause}") from error
                    except ray.exceptions.RayError as error:
                        news(News(f"place {index}", 0, f"its worker was lost ({type(error).__name__}); another starts"))
                if orders.drain and done and not waiting:
                    break
        finally:
            self._farewell(actors, waiting)
        return climbs

    def _farewell(self, actors: dict[int, Any], waiting: dict[Any, int]) -> None:
        """Let them end between two seeds, and no later than in a minute."""
        for actor in actors.values():
            actor.stop.remote()
        until = time.monotonic() + 60.0
        while waiting and time.monotonic() < until:
            ready, _ = self._ray.wait(list(waiting), timeout=_LOOK_SECONDS)
            for reference in ready:
                waiting.pop(reference)
        for actor in actors.values():
            self._ray.kill(actor)

    def _wants_gpu(self) -> bool:
        return self._slots is None and float(self._ray.cluster_resources().get("GPU", 0.0)) >= 1.0

    def _places(self) -> int:
        if self._slots is not None:
            return self._slots
        resources = self._ray.cluster_resources()
        gpus = int(resources.get("GPU", 0))
        return gpus or max(1, int(resources.get("CPU", CORES)) // CORES)
