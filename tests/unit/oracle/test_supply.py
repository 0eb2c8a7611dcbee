"""Sandboxes that are started ahead: each handed out once, as many as are expected, none left behind."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from harness.checks.bench import Bench
from harness.containers import request
from harness.containers.devices import GpuChoice
from harness.containers.engine import remove_labelled
from harness.containers.request import AHEAD_LABEL, Recipe, name_of
from harness.core.errors import InfrastructureError, StoppedError
from harness.core.limits import Limits
from harness.oracle import supply as module
from harness.oracle.sandbox import Sandbox
from harness.oracle.supply import Supply

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACE = ("harness.place", "ledger/host/cpu/0")
RUN = ("harness.run", "ledger/7")
RECIPE = Recipe("image", Limits(), labels=(PLACE,))
MINE = replace(RECIPE, labels=(PLACE, RUN))
#: Longest that a thread is waited for, in seconds.
PATIENCE = 20.0


class Engine:
    """An engine that is none; each thread has one of its own."""

    def __init__(self, made: list[Engine]) -> None:
        self.made, self.open = made, True
        made.append(self)

    def another(self) -> Engine:
        return Engine(self.made)

    def close(self) -> None:
        self.open = False


@dataclass
class Host:
    """Which sandboxes there were, and what befell them."""

    made: list[Box] = field(default_factory=list)
    engines: list[Engine] = field(default_factory=list)
    #: Raised where one is started, waited for, or handed over.
    starts: Exception | None = None
    waits: Exception | None = None
    hands: Exception | None = None
    #: None is ready before this is set.
    ready: threading.Event = field(default_factory=threading.Event)

    @property
    def waiting(self) -> list[Box]:
        return [box for box in self.made if box.state == "ready"]

    def settle(self, count: int) -> None:
        """Wait until so many are ready, and see that no more come."""
        until = time.monotonic() + PATIENCE
        while len(self.waiting) < count and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(0.02)
        assert len(self.waiting) == count


class Box:
    """A sandbox that is none."""

    def __init__(self, host: Host, engine: Engine, recipe: Recipe) -> None:
        if host.starts is not None:
            raise host.starts
        self.host, self.engine, self.recipe, self.state = host, engine, recipe, "new"
        host.made.append(self)

    def wait_ready(self) -> None:
        self.host.ready.wait(PATIENCE)
        if self.recipe.stopping():
            raise StoppedError
        if self.host.waits is not None:
            raise self.host.waits
        self.state = "ready" if self.state == "new" else self.state

    def hand_over(self, engine: Engine, recipe: Recipe) -> None:
        if self.host.hands is not None:
            raise self.host.hands
        assert self.state == "ready", "nobody else has it"
        self.engine, self.recipe, self.state = engine, recipe, "taken"

    def close(self) -> None:
        self.state = "gone"


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host()
    made.ready.set()
    monkeypatch.setattr(module, "Sandbox", lambda engine, recipe: Box(made, engine, recipe))
    return made


@pytest.fixture
def supply(host: Host) -> Iterator[Supply]:
    engine: Any = Engine(host.engines)
    made = Supply(engine, RECIPE)
    yield made
    host.ready.set()
    made.close()
    ahead = [box for box in host.made if (AHEAD_LABEL, "1") in box.recipe.labels]
    assert not [box for box in ahead if box.state in {"new", "ready"}], "none is left behind"
    assert not [one for one in host.engines[1:] if one.open]


def taken(supply: Supply, recipe: Recipe = MINE) -> tuple[Any, Any]:
    engine: Any = Engine([])
    return supply.take(engine, recipe), engine


def begun(host: Host, count: int = 1) -> None:
    """Wait until so many were begun."""
    until = time.monotonic() + PATIENCE
    while len(host.made) < count and time.monotonic() < until:
        time.sleep(0.001)
    assert len(host.made) == count


def test_nothing_is_started_before_anybody_says_that_it_will_be_needed(supply: Supply, host: Host) -> None:
    host.settle(0)
    box, engine = taken(supply)
    assert box.engine is engine
    assert len(host.made) == 1, "the one that was asked for, and none ahead"


def test_two_wait_each_is_given_once_and_another_takes_its_place(supply: Supply, host: Host) -> None:
    supply.expect(9)
    host.settle(2)
    boxes = []
    for _ in range(4):
        box, engine = taken(supply)
        assert box.engine is engine
        assert box.recipe.labels == (PLACE, RUN)
        boxes.append(box)
    assert len({id(box) for box in boxes}) == 4
    host.settle(2)


@pytest.mark.parametrize("expected", [1, 2, 3])
def test_no_more_are_started_than_are_expected(expected: int, supply: Supply, host: Host) -> None:
    supply.expect(expected)
    host.settle(min(expected, 2))
    for _ in range(expected):
        taken(supply)
    host.settle(0)
    assert len(host.made) == expected


def test_one_that_is_on_its_way_is_waited_for(supply: Supply, host: Host) -> None:
    host.ready.clear()
    supply.expect(1)
    begun(host)
    threading.Timer(0.05, host.ready.set).start()
    box, _ = taken(supply)
    assert box is host.made[0]
    assert len(host.made) == 1


OTHERS = {
    "limits": replace(RECIPE, limits=replace(Limits(), total=7.0)),
    "image": replace(RECIPE, image="another"),
    "runtime": replace(RECIPE, runtime="runsc"),
    "place": replace(RECIPE, labels=(RUN,)),
}


@pytest.mark.parametrize("other", OTHERS)
def test_whoever_asks_for_another_kind_gets_a_new_one(other: str, supply: Supply, host: Host) -> None:
    supply.expect(2)
    host.settle(2)
    box, _ = taken(supply, OTHERS[other])
    assert box.state == "new"
    assert box.recipe == OTHERS[other]
    host.settle(2)


def test_a_gpu_is_held_by_nobody_who_does_not_use_it(host: Host) -> None:
    recipe = replace(RECIPE, gpu=GpuChoice(0, "cdi"), variant="cuda")
    engine: Any = Engine(host.engines)
    made = Supply(engine, recipe)
    made.expect(5)
    host.settle(0)
    made.close()


def test_a_fault_ends_it_and_is_met_by_whoever_needs_one(supply: Supply, host: Host) -> None:
    host.starts = InfrastructureError("no engine")
    supply.expect(5)
    with pytest.raises(InfrastructureError, match="no engine"):
        taken(supply)
    supply.drop()  # both threads have tried, or will not
    assert not host.made
    host.starts = None
    host.settle(0)
    supply.expect(2)
    host.settle(2)


def test_one_that_does_not_isolate_is_given_to_nobody(supply: Supply, host: Host) -> None:
    host.waits = InfrastructureError("it does not isolate")
    supply.expect(1)
    begun(host)
    box, _ = taken(supply)
    assert [one.state for one in host.made] == ["gone", "new"]
    with pytest.raises(InfrastructureError, match="does not isolate"):
        box.wait_ready()


def test_one_that_died_while_it_waited_is_given_to_nobody(supply: Supply, host: Host) -> None:
    supply.expect(2)
    host.settle(2)
    host.hands = InfrastructureError("it is gone")
    box, _ = taken(supply)
    assert box.state == "new"
    assert [one.state for one in host.made] == ["gone", "gone", "new"]


def test_one_that_has_waited_for_too_long_is_given_to_nobody(
    supply: Supply, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    supply.expect(2)
    host.settle(2)
    monkeypatch.setattr(module, "_OLDEST", -1.0)
    box, _ = taken(supply)
    assert box.state == "new"


def test_what_is_dropped_is_removed_and_nothing_comes_after_it(supply: Supply, host: Host) -> None:
    supply.expect(9)
    host.settle(2)
    supply.drop()
    host.settle(0)
    assert [box.state for box in host.made] == ["gone", "gone"]
    supply.expect(1)
    host.settle(1)


def test_to_be_stopped_ends_those_that_are_on_their_way(host: Host) -> None:
    host.ready.clear()
    engine: Any = Engine(host.engines)
    told: list[bool] = []
    made = Supply(engine, replace(RECIPE, stopping=lambda: bool(told)))
    made.expect(2)
    begun(host, 2)
    told.append(True)
    host.ready.set()
    made.close()
    assert [box.state for box in host.made] == ["gone", "gone"]


@pytest.mark.usefixtures("host")
def test_several_threads_never_get_the_same(supply: Supply) -> None:
    supply.expect(float("inf"))
    got: list[Any] = []

    def several() -> None:
        for _ in range(20):
            box, _ = taken(supply)
            got.append(box)
            box.close()

    threads = [threading.Thread(target=several) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(PATIENCE)
    assert len({id(box) for box in got}) == 80
    supply.drop()


def test_a_bench_without_one_starts_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.oracle.sandbox.Sandbox", lambda engine, recipe: (engine, recipe))
    one: Any = Bench("engine", RECIPE, None, None, {})  # type: ignore[arg-type]
    assert one.opened() == ("engine", RECIPE)
    assert one.opened("other", OTHERS["limits"]) == ("other", OTHERS["limits"])


# --- whose it is, by the engine's account


class Client:
    """An engine's account, with containers of this host."""

    def __init__(self, *containers: dict[str, Any]) -> None:
        self.there = list(containers)
        self.renamed: list[tuple[str, str]] = []

    def listed(self, *_: str) -> list[dict[str, Any]]:
        return self.there

    def remove(self, container: str) -> None:
        self.there = [one for one in self.there if one["Id"] != container]

    def rename(self, container: str, name: str) -> None:
        self.renamed.append((container, name))


def container(name: str, **labels: str) -> dict[str, Any]:
    told = {key.replace("_", "."): value for key, value in labels.items()}
    return {"Id": name, "Names": [f"/{name}"], "Labels": {request.LABEL: "1", **told}}


def engine_over(client: Client) -> Any:
    engine: Any = type("EngineOver", (), {})()
    engine.listed, engine.remove = client.listed, client.remove
    return engine


def test_what_was_taken_for_a_run_is_found_by_its_name_and_what_waits_is_left() -> None:
    mine, others = request.owner(), "another/process"
    place = {"harness_place": PLACE[1], "harness_ahead": "1"}
    client = Client(
        container("waits", **place, harness_owner=mine),
        container("a dead one's", **place, harness_owner=others),
        container(f"{name_of(RUN)}abc", **place, harness_owner=others),
        container(f"{name_of(('harness.run', 'ledger/8'))}abc", **place, harness_owner=mine),
        container("labelled", harness_run=RUN[1]),
        container("somebody else's", harness_run="ledger/9"),
    )
    assert remove_labelled(engine_over(client), RUN) == 2
    assert [one["Id"] for one in client.there][:2] == ["waits", "a dead one's"]
    assert remove_labelled(engine_over(client), PLACE) == 2, "those that somebody took, and left"
    assert [one["Id"] for one in client.there] == ["waits", "somebody else's"]
    assert remove_labelled(engine_over(client), (request.OWNER_LABEL, mine)) == 0


def test_a_sandbox_is_named_for_whom_it_is_and_heeds_them() -> None:
    heard: list[Any] = []
    client = Client()
    one: Any = Sandbox.__new__(Sandbox)
    one.container, one.recipe = "0123456789abcdef", replace(RECIPE, labels=(PLACE, (AHEAD_LABEL, "1")), disk=None)
    one._streams = type("Streams", (), {"heed": staticmethod(heard.append)})()
    engine: Any = type("Renaming", (), {"rename": staticmethod(client.rename)})()
    wanted = replace(RECIPE, labels=(PLACE, RUN), disk="/dev/sda", stopping=lambda: True)
    one.hand_over(engine, wanted)
    assert client.renamed == [("0123456789abcdef", f"{name_of(RUN)}0123456789ab")]
    assert one.recipe == replace(wanted, disk=None), "what it was made without stays told"
    assert heard == [wanted.stopping]
