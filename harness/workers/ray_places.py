"""Which places a Ray cluster has: one for each GPU of a machine, else one for every two of its cores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.workers.local import CORES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Spot:
    """A place on one machine, by Ray's name for that: GPU or CPU place `number`, which asks for so many cores."""

    node: str
    number: int
    gpu: bool = False
    cores: int = CORES

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.node[:12]}/{'gpu' if self.gpu else 'cpu'}/{self.number}"


def spots_of(nodes: Iterable[Mapping[str, Any]], slots: int | None = None) -> list[Spot]:
    """The places of a cluster, from `ray.nodes()`; or as many CPU places as asked for, shared out over the machines.

    A machine with GPUs has a place for each; its other cores stay free for whatever trains there. A machine with a
    single core has a place too, which asks for that one. Machines without processors (a head that only leads) have
    none.
    """
    alive = sorted((str(n["NodeID"]), _whole(n, "CPU"), _whole(n, "GPU")) for n in nodes if n.get("Alive"))
    working = [(node, cpus, gpus) for node, cpus, gpus in alive if cpus]
    if slots is not None:
        # One after the other to each machine; what has no room there waits until there is some.
        dealt = (divmod(n, len(working)) for n in range(slots if working else 0))
        return [Spot(working[at][0], n, cores=min(working[at][1], CORES)) for n, at in dealt]
    spots = []
    for node, cpus, gpus in working:
        if gpus:
            spots += [Spot(node, n, gpu=True, cores=1) for n in range(gpus)]
        else:
            spots += [Spot(node, n, cores=min(cpus, CORES)) for n in range(max(1, cpus // CORES))]
    return spots


def _whole(node: Mapping[str, Any], resource: str) -> int:
    return int(float((node.get("Resources") or {}).get(resource, 0.0)))
