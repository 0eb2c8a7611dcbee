"""Which places a Ray cluster has, from what it says about its machines."""

from __future__ import annotations

import pytest

from harness.workers.ray import Spot, spots_of

GIB = 1 << 30


def node(name, cpus, gpus=0.0, *, alive=True, memory=64 * GIB):
    resources = {"CPU": cpus, "memory": float(memory)}
    return {"NodeID": name, "Alive": alive, "Resources": {**resources, "GPU": gpus} if gpus else resources}


CLUSTER = [node("c", 8.0, 2.0), node("a", 4.0), node("b", 1.0), node("d", 64.0, 8.0, alive=False), node("e", 0.0)]


def test_a_place_for_each_gpu_and_elsewhere_as_many_as_keep_the_cores_busy():
    found = spots_of(CLUSTER)
    assert found == [
        Spot("a", 0),
        Spot("a", 1),
        Spot("a", 2),
        Spot("b", 0),
        Spot("c", 0, gpu=True),
        Spot("c", 1, gpu=True),
    ]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(("memory", "places"), [(7 * GIB, 1), (9 * GIB, 2), (64 * GIB, 6), (0, 1)])
def test_as_many_places_as_the_memory_has_room_for(memory, places):
    assert spots_of([node("a", 8.0, memory=memory)]) == [Spot("a", n) for n in range(places)]


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 7])
def test_as_many_processor_places_as_asked_for_shared_out(slots):
    found = spots_of(CLUSTER, slots)
    assert len(set(found)) == slots
    assert not any(spot.gpu for spot in found)
    counts = [sum(spot.node == name for spot in found) for name in "abc"]
    assert max(counts) - min(counts) <= 1


def test_a_cluster_without_machines_has_no_places():
    assert spots_of([]) == []
    assert spots_of([node("a", 4.0, alive=False)], 3) == []
    assert spots_of([{"NodeID": "a", "Alive": True}]) == []
