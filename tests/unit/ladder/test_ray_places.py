"""Which places a Ray cluster has, from what it says about its machines."""

from __future__ import annotations

import pytest

from harness.workers.ray import Spot, spots_of


def node(name, cpus, gpus=0.0, *, alive=True):
    return {"NodeID": name, "Alive": alive, "Resources": {"CPU": cpus, "GPU": gpus} if gpus else {"CPU": cpus}}


CLUSTER = [node("c", 8.0, 2.0), node("a", 4.0), node("b", 1.0), node("d", 64.0, 8.0, alive=False), node("e", 0.0)]


def test_a_place_for_each_gpu_and_for_two_cores_elsewhere():
    found = spots_of(CLUSTER)
    assert found == [
        Spot("a", 0),
        Spot("a", 1),
        Spot("b", 0, cores=1),
        Spot("c", 0, gpu=True, cores=1),
        Spot("c", 1, gpu=True, cores=1),
    ]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 7])
def test_as_many_processor_places_as_asked_for_shared_out(slots):
    found = spots_of(CLUSTER, slots)
    assert len(set(found)) == slots
    assert not any(spot.gpu for spot in found)
    counts = [sum(spot.node == name for spot in found) for name in "abc"]
    assert max(counts) - min(counts) <= 1
    assert all(spot.cores == (1 if spot.node == "b" else 2) for spot in found)


def test_a_cluster_without_machines_has_no_places():
    assert spots_of([]) == []
    assert spots_of([node("a", 4.0, alive=False)], 3) == []
    assert spots_of([{"NodeID": "a", "Alive": True}]) == []
