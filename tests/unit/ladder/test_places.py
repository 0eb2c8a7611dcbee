"""How many runs a host takes at a time: by its GPUs, by its cores and its memory, or as many as asked for."""

from __future__ import annotations

import pytest

from harness.core.errors import UserError
from harness.core.limits import MIB
from harness.workers import local

GIB = 1024 * MIB


@pytest.mark.parametrize(
    ("cores", "memory", "places"),
    [
        (1, 24 * GIB, 1),
        (2, 24 * GIB, 2),
        (3, 24 * GIB, 2),
        (4, 24 * GIB, 3),
        (8, 64 * GIB, 6),
        (64, 1024 * GIB, 43),
        (64, 16 * GIB, 4),
        (2, 8 * GIB - 1, 1),
        (2, 1 * GIB, 1),
    ],
)
def test_places_keep_the_cores_busy_and_fit_into_the_memory(cores: int, memory: int, places: int) -> None:
    assert local.places_for(cores, memory) == places


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four cores and plenty of memory, without a GPU."""
    pages = {"SC_PHYS_PAGES": 64 * GIB // 4096, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr("os.sysconf", pages.__getitem__)
    monkeypatch.setattr(local, "host_gpus", lambda: ())
    monkeypatch.setattr("socket.gethostname", lambda: "here")


@pytest.mark.usefixtures("host")
def test_a_host_without_gpus_has_places_by_its_cores_or_as_many_as_asked_for() -> None:
    assert [place.name for place in local.local_places()] == ["here/cpu/0", "here/cpu/1", "here/cpu/2"]
    assert [place.name for place in local.local_places(1)] == ["here/cpu/0"]
    assert len(local.local_places(9)) == 9
    assert {place.gpu for place in local.local_places()} == {"none"}


@pytest.mark.usefixtures("host")
def test_a_host_with_gpus_has_a_place_for_each_or_for_each_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "host_gpus", lambda: (0, 1, 2))
    assert [(place.name, place.gpu) for place in local.local_places()] == [
        ("here/gpu/0", "0"), ("here/gpu/1", "1"), ("here/gpu/2", "2")
    ]  # fmt: skip
    assert [(place.name, place.gpu) for place in local.local_places(gpus_each=2)] == [("here/gpu/0+1", "0,1")]
    assert [place.gpu for place in local.local_places(2)] == ["none"] * 2
    with pytest.raises(UserError, match="4 GPUs"):
        local.local_places(gpus_each=4)
