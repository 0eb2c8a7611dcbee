"""A sandbox that lacks a layer is refused before any candidate: exit code 3, no verdict, nothing left behind."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hostile import DPO
from support import ROOT
from switched_off import engines_own_list, host, network, switch_off, ulimit, unfiltered, without
from tiers import soon

from harness.containers import isolation
from harness.containers.isolation import NotIsolatedError
from harness.containers.request import Recipe
from harness.core.errors import InfrastructureError
from harness.core.limits import Limits
from harness.oracle.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from switched_off import Change

    from harness.containers.engine import Engine
    from harness.images import ImageRef

pytestmark = pytest.mark.container

LAYERS: dict[str, tuple[Change, set[str]]] = {
    "seccomp": (without("seccomp"), {"seccomp", "network"}),
    "the engine's own list": (engines_own_list, {"seccomp", "network"}),
    "no-new-privileges": (unfiltered, {"no-new-privileges"}),
    "network": (network("host"), {"network"}),
    "read-only root": (host(ReadonlyRootfs=False), {"read-only root"}),
    "capabilities": (host(CapDrop=[]), {"capabilities"}),
    "privileged": (host(Privileged=True), {"privileges", "capabilities"}),
    "user": (lambda body: body.update(User="0:0"), {"user"}),
    "pids": (host(PidsLimit=0), {"pids limit"}),
    "memory": (host(Memory=0, MemorySwap=0), {"memory limit"}),
    "processor": (host(NanoCpus=0), {"cpu limit"}),
    "mount": (host(Binds=["/etc:/mnt:ro"]), {"mounts"}),
    "the host's processes": (host(PidMode="host"), {"namespaces"}),
    "the folder": (host(Tmpfs={"/tmp": "rw,exec,suid,dev,mode=1777"}), {"writable folder"}),
    "descriptors": (ulimit("nofile"), {"descriptor limit"}),
    "file size": (ulimit("fsize"), {"file size limit"}),
}
#: What only the engine can be asked about: from inside it looks as it should.
ENGINE_ALONE = {"mount", "the host's processes"}


@pytest.fixture
def refused(engine: Engine, sandbox_image: ImageRef) -> Callable[[], NotIsolatedError]:
    def refuse() -> NotIsolatedError:
        sandbox = Sandbox(engine, Recipe(sandbox_image.digest, Limits()))
        container = sandbox.container
        try:
            with pytest.raises(NotIsolatedError) as caught:
                sandbox.wait_ready()
            # Gone before anybody hears of it.
            assert engine.state(container) == {}
        finally:
            sandbox.close()
        return caught.value

    return refuse


@pytest.mark.parametrize("name", soon(LAYERS, 4))
def test_a_layer_that_is_missing_is_named(
    refused: Callable[[], NotIsolatedError], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    change, layers = LAYERS[name]
    switch_off(monkeypatch, change)
    refusal = refused()
    assert layers <= {problem.layer for problem in refusal.problems}
    assert all(layer in refusal.message for layer in layers)
    assert refusal.remedy


@pytest.mark.rest
@pytest.mark.parametrize("name", sorted(set(LAYERS) - ENGINE_ALONE))
def test_the_server_inside_sees_it_by_itself(
    refused: Callable[[], NotIsolatedError], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """An engine that builds something else and describes what it was asked for is found out from inside."""
    change, layers = LAYERS[name]
    switch_off(monkeypatch, change)
    monkeypatch.setattr(isolation, "built", lambda *_: ())
    found = {problem.layer for problem in refused().problems}
    assert found & (layers if name != "privileged" else {"capabilities"})


CHECK = """
import sys
sys.path.insert(0, "tests/integration")
from switched_off import changed, network
from harness.containers import started
from harness.oracle import sandbox
started.container_request = changed(network("host"))
made = []
whole = sandbox.Sandbox.__init__
def noted(self, *arguments):
    whole(self, *arguments)
    print("made", self.container)
sandbox.Sandbox.__init__ = noted
from harness.cli import main
main()
"""


def test_a_check_on_such_a_host_decides_nothing(write: Callable[..., Path], engine: Engine, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [sys.executable, "-c", CHECK, "check", str(write(DPO)), f"--report=json={report}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    (result,) = json.loads(report.read_text("utf-8"))["results"]
    assert result["verdict"] == "undecided"
    assert "network" in result["reason"]
    assert "harness doctor" in result["remedy"]
    assert result["findings"] == []
    containers = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("made")]
    assert containers
    assert [one for one in containers if engine.state(one)] == []


def test_a_kernel_that_is_not_gvisors_is_no_runsc(
    refused: Callable[[], NotIsolatedError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something stands in for runsc: the engine says it used it, and the kernel inside is the host's."""
    whole = isolation.problems
    changed = "harness.oracle.sandbox.problems"
    monkeypatch.setattr(changed, lambda evidence, asked: whole(evidence, replace(asked, runtime="runsc")))
    assert "runtime" in {problem.layer for problem in refused().problems}


def test_without_new_privileges_being_ruled_out_nothing_is_run(
    engine: Engine, sandbox_image: ImageRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some runtimes do not even start such a sandbox, with our list for an ordinary user; else it is refused."""
    switch_off(monkeypatch, without("no-new-privileges"))
    created: list[str] = []
    create = type(engine).create

    def noted(self: Engine, body: dict[str, object]) -> object:
        made = create(self, body)
        created.append(made.container)
        return made

    monkeypatch.setattr(type(engine), "create", noted)
    with pytest.raises(InfrastructureError) as caught:
        Sandbox(engine, Recipe(sandbox_image.digest, Limits())).wait_ready()
    assert caught.value.exit_code == 3
    assert len(created) == 1
    assert engine.state(created[0]) == {}


def test_an_engine_that_discards_a_limit_and_says_so(
    refused: Callable[[], NotIsolatedError], monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    create = type(engine).create
    warning = "Your kernel does not support pids limit capabilities or the cgroup is not mounted. PIDs limit discarded."

    def warned(self: Engine, body: dict[str, object]) -> object:
        made = create(self, body)
        return type(made)(made.container, (warning,))

    monkeypatch.setattr(type(engine), "create", warned)
    assert [problem.layer for problem in refused().problems] == ["pids limit"]


def test_the_look_costs_next_to_nothing(engine: Engine, sandbox_image: ImageRef) -> None:
    """15 ms on the host, with the question to the engine; it is asked while torch is being loaded inside."""
    sandbox = Sandbox(engine, Recipe(sandbox_image.digest, Limits()))
    try:
        sandbox.wait_ready()
        assert sandbox.evidence is not None
        costs = []
        for _ in range(5):
            began = time.perf_counter()
            engine.describe(sandbox.container)
            isolation.problems(sandbox.evidence, sandbox.recipe)
            costs.append(time.perf_counter() - began)
        assert min(costs) < 0.015
    finally:
        sandbox.close()
