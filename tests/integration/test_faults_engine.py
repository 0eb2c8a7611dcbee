"""An engine that fails: no verdict, exit code 3, a message with a next step, and nothing left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from engine_proxy import EngineProxy, Trap, proxied
from faults import ONE_CONTAINER, no_verdict, told, worker_processes
from hostile import DPO
from support import gone

from harness.containers.endpoint import find_engine
from harness.containers.engine import sweep
from harness.core.profiles import DEFAULT
from harness.sandbox import confinement
from harness.sandbox import wire as layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support import Run

    from harness.containers.engine import Engine

pytestmark = [pytest.mark.container, pytest.mark.rest]


@pytest.fixture
def proxy(tmp_path: Path, engine: Engine) -> Iterator[EngineProxy]:
    """Nothing that was made through it is there at the end, once the next start has swept."""
    with proxied(find_engine(), tmp_path / "engine.sock") as made:
        yield made
    sweep(engine)
    gone(engine, made.created)
    assert worker_processes(made) == []


@pytest.fixture
def check(proxy: EngineProxy, harness: Callable[..., Run], write: Callable[..., Path]) -> Callable[..., Run]:
    """Check so many copies of DPO through the proxy."""

    def run(count: int, *, profile: str = ONE_CONTAINER) -> Run:
        paths = [write(DPO, f"{n}.py") for n in range(count)]
        return harness("check", *paths, f"--profile={profile}", env={"DOCKER_HOST": proxy.url})

    return run


#: What an engine says when it cannot, at which request, and what of it a person has to read.
REFUSALS = {
    "disk full": (Trap("POST .*/containers/create", 500, "mkdir /var/lib/docker/x: no space left on device"), "space"),
    "out of memory": (
        Trap("POST .*/start", 500, "OCI runtime create failed: fork/exec: cannot allocate memory"),
        "cannot allocate memory",
    ),
    "no image": (Trap("POST .*/containers/create", 404, "No such image: sha256:0"), "harness image build"),
    "attach refused": (Trap("POST .*/attach", 500, "the stream cannot be had"), "cannot be had"),
    "name taken": (Trap("POST .*/start", 409, "removal of container is already in progress"), "in progress"),
}


def test_each_refusal_costs_its_own_candidate_alone(check: Callable[..., Run], proxy: EngineProxy) -> None:
    """One run: the first candidate is accepted, then each refusal hits one, and the last is accepted again."""
    met = {"create": 1, "start": 1, "attach": 1}
    traps = []
    for trap, _ in REFUSALS.values():
        kind = next(kind for kind in met if kind in trap.pattern)
        # One that is refused early never gets to the later requests.
        order = ("create", "attach", "start")
        for earlier in order[: order.index(kind) + 1]:
            met[earlier] += 1
        traps.append(Trap(trap.pattern, trap.status, trap.message, first=met[kind]))
    proxy.traps = traps
    run = check(len(REFUSALS) + 2)
    assert run.code == 3, run.out + run.err
    words = [result["verdict"] for result in run.results]
    assert words == ["accepted", *["undecided"] * len(REFUSALS), "accepted"]
    for (_, word), result in zip(REFUSALS.values(), run.results[1:-1], strict=True):
        assert word in result["reason"] + result["remedy"]
        told(result)


#: Everything that is asked of an engine on the way to a verdict.
REQUESTS = {
    "version": r"GET \S*/version",
    "images": r"GET \S*/images",
    "list": r"GET \S*/containers/json",
    "create": r"POST \S*/containers/create",
    "attach": r"POST \S*/attach",
    "start": r"POST \S*/start",
    "remove": r"DELETE \S*/containers/",
}


@pytest.mark.parametrize("name", REQUESTS)
def test_an_engine_that_dies_at_a_request(check: Callable[..., Run], proxy: EngineProxy, name: str) -> None:
    proxy.traps = [Trap(REQUESTS[name], first=3 if name in {"create", "attach", "start"} else 1)]
    run = check(3)
    assert proxy.traps[0].met, proxy.asked
    no_verdict(run, accepted=1 if proxy.traps[0].first == 3 or name == "remove" else 0)


@pytest.mark.parametrize("name", ["create", "attach", "start"])
def test_without_a_witness_nothing_is_decided(check: Callable[..., Run], proxy: EngineProxy, name: str) -> None:
    """The second container of a candidate is refused: what it would have said is not known."""
    proxy.traps = [Trap(REQUESTS[name], 500, "no more of these", first=2)]
    run = check(1, profile=DEFAULT)
    no_verdict(run)
    assert "no more of these" in run.results[0]["reason"]


@pytest.mark.parametrize("name", ["create", "start"])
def test_an_engine_that_dies_while_it_answers(check: Callable[..., Run], proxy: EngineProxy, name: str) -> None:
    proxy.traps = [Trap(REQUESTS[name], after=True)]
    no_verdict(check(2))


def test_an_engine_that_comes_back_later(check: Callable[..., Run], proxy: EngineProxy) -> None:
    """What it was asked for meanwhile is undecided; the next check is as if nothing had been."""
    proxy.traps = [Trap(REQUESTS["start"])]
    no_verdict(check(2))
    proxy.revive()
    assert check(1).code == 0


#: Bytes of the attached stream up to the end of READY, each behind the engine's 8: header, facts and versions.
READY = 8 + layout.HEADER.size + confinement.FACTS.size + len("3.11.2 2.13.0+cpu")
#: In the engine's header and in each part of READY; in LOADED and STARTED (24 each with theirs); in answers.
CUTS = (0, 3, 20, 60, READY, READY + 4, READY + 15, READY + 48, READY + 60, READY + 80, READY + 400, 5000)


def test_a_frame_that_is_cut_in_half(check: Callable[..., Run], proxy: EngineProxy) -> None:
    """The connection to one container ends at each of these places; the engine goes on answering."""
    proxy.cuts = dict(enumerate(CUTS))
    run = check(len(CUTS) + 1)
    assert run.code == 3
    *cut, last = run.results
    assert {result["verdict"] for result in cut} == {"undecided"}, [(r["verdict"], r["findings"]) for r in cut]
    for result in cut:
        told(result)
    assert last["verdict"] == "accepted"


def test_a_sandbox_that_never_says_that_it_is_ready_is_ours(
    proxy: EngineProxy, engine: Engine, sandbox_image: object
) -> None:
    """Held back by the engine before the candidate was seen."""
    from harness.containers.engine import Engine as Connection
    from harness.containers.request import Recipe
    from harness.core.errors import InfrastructureError
    from harness.core.limits import Limits
    from harness.oracle.sandbox import Sandbox

    del engine
    proxy.stalls = {0: 20}
    connection = Connection(proxy.url)
    sandbox = Sandbox(connection, Recipe(sandbox_image.digest, Limits(start=3.0)))  # type: ignore[attr-defined]
    try:
        with pytest.raises(InfrastructureError, match="before it saw the candidate"):
            sandbox.wait_ready()
        assert sandbox.container == ""
    finally:
        sandbox.close()
        connection.close()
