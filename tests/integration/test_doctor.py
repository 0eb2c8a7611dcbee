"""`harness doctor` on this host; and each probe on a sandbox without the layer that it is about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from switched_off import host, network, switch_off, trust, without
from tiers import soon

from harness.containers import stream
from harness.containers.isolation import NotIsolatedError
from harness.containers.request import Recipe
from harness.core.errors import HostBusyError, InfrastructureError, SandboxLostError
from harness.core.limits import MIB, Limits
from harness.doctor import CHECKS, Result, probing
from harness.doctor.probing import MEMORY, OUTPUT, TIME, Lab
from harness.oracle import sandbox
from harness.oracle.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support import Run
    from switched_off import Change

    from harness.containers.engine import Engine
    from harness.doctor.model import Outcome
    from harness.images import ImageRef

pytestmark = pytest.mark.container

SECRET = "harness-canary-" + "0123456789abcdef" * 2
#: Small, so that going past them is quick.
LIMITS = Limits(memory=512 * MIB, pids=32)
#: What this host may lack, or not be able to tell beside other work; `harness doctor` warns of it, and it says nothing
#: about the sandbox.
OF_THE_HOST = {"D102", "D103", "D105", "D106", "D108", "D109", "D110", "D111", "D444"}


def sandboxes_of(engine: Engine) -> set[str]:
    return {c["Id"] for c in engine.client.containers(all=True, filters={"label": ["harness.sandbox"]})}


def examined(run: Run) -> dict[str, dict[str, Any]]:
    document = json.loads(run.out)
    assert document["schema"] == "harness.doctor/v1"
    assert document["exit_code"] == run.code
    return {check["id"]: check for check in document["checks"]}


@pytest.mark.rest
def test_this_host_isolates(harness: Callable[..., Run]) -> None:
    run = harness("doctor", "--json", "--gpu", "none")
    assert run.code == 0, run.out + run.err
    found = examined(run)
    assert list(found) == [check.id for check in CHECKS]
    weak = {key: check["seen"] for key, check in found.items() if check["result"] not in {"ok", "not-applicable"}}
    assert set(weak) <= OF_THE_HOST, weak
    # Nothing of the sandbox was left out.
    skipped = {key for key, check in found.items() if check["result"] == "not-applicable"}
    assert skipped <= {"D107", "D108", "D109", "D110"}
    assert all(check["remedy"] for key, check in found.items() if key in weak)
    schema = json.loads(harness("schema", "doctor").out)
    jsonschema.validate(json.loads(run.out), schema)


@pytest.mark.rest
def test_for_people(harness: Callable[..., Run]) -> None:
    run = harness("doctor", "--gpu", "none", "--strict")
    warned = " warning " in run.out
    assert run.code == (3 if warned else 0), run.out + run.err
    assert "D401 af-inet" in run.out
    assert ("--strict does not waive" if warned else "This host isolates") in run.out


@pytest.mark.rest
def test_behind_gvisor(harness: Callable[..., Run], engine: Engine) -> None:
    """Where the engine has runsc; where it has not, that is what is found."""
    run = harness("doctor", "--json", "--gpu", "none", "--runtime", "runsc")
    found = examined(run)
    if "runsc" not in engine.info()["Runtimes"]:
        assert run.code == 3
        assert found["D107"]["result"] == "failed"
        return
    assert run.code == 0, run.out + run.err
    assert "gVisor's kernel" in found["D303"]["seen"]
    # What an older gVisor does not hold to the letter, and what ends all of it.
    weak = {key for key, c in found.items() if key >= "D2" and c["result"] == "warning"}
    assert weak <= {"D424", "D441", "D442"} | OF_THE_HOST
    assert found["D448"]["result"] == "not-applicable"
    assert {c["result"] for key, c in found.items() if key >= "D420" and key not in weak | {"D448"}} == {"ok"}
    # Our list of system calls says no where gVisor was told it (--oci-seccomp), else its own empty network.
    assert "gVisor" in found["D401"]["seen"] or found["D401"]["seen"] == "EPERM"


def test_a_runtime_that_is_not_registered(harness: Callable[..., Run]) -> None:
    run = harness("doctor", "--json", "--runtime", "no-such-runtime")
    assert run.code == 3
    found = examined(run)
    assert found["D107"]["result"] == "failed"
    assert "runc" in found["D107"]["seen"]
    # Nothing is known of the sandbox, and nothing is said to be well.
    assert {check["result"] for key, check in found.items() if key >= "D3"} == {"not-applicable"}


def test_no_engine(harness: Callable[..., Run], tmp_path: Path) -> None:
    run = harness("doctor", "--json", env={"DOCKER_HOST": f"unix://{tmp_path}/nothing.sock"})
    assert run.code == 3
    found = examined(run)
    assert found["D101"]["result"] == "failed"
    assert found["D101"]["remedy"]
    assert {check["result"] for key, check in found.items() if key > "D101"} == {"not-applicable"}


def test_an_image_that_is_not_there(harness: Callable[..., Run]) -> None:
    run = harness("doctor", "--json", "--gpu", "none", "--image", "harness-sandbox:cpu-000000000000")
    assert run.code == 3
    assert examined(run)["D201"]["result"] == "failed"


def test_wishes_that_make_no_sense(harness: Callable[..., Run]) -> None:
    assert harness("doctor", "--gpu", "some").code == 2


# Each probe, on a sandbox that lacks what the probe is about.


@pytest.fixture
def lab(engine: Engine, sandbox_image: ImageRef, tmp_path: Path) -> Lab:
    canary = tmp_path / "secret"
    canary.write_text(SECRET, encoding="ascii")
    canary.chmod(0o644)
    return Lab(engine.url, Recipe(sandbox_image.digest, LIMITS), canary)


@pytest.fixture
def bare(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Callable[[Change], Lab]:
    """The probes without the preflight, on sandboxes from a changed request."""

    def changed(change: Change) -> Lab:
        switch_off(monkeypatch, change)
        trust(monkeypatch)
        return lab

    return changed


def failed(outcomes: list[Outcome]) -> set[str]:
    return {o.check.name for o in outcomes if o.result is Result.FAILED}


def test_without_seccomp_the_doors_are_open(bare: Callable[[Change], Lab]) -> None:
    found = failed(bare(without("seccomp")).kernel())
    # Those that no kernel refuses to an ordinary user by itself.
    assert {"af-inet", "af-inet6", "af-unix", "af-netlink", "keyctl", "add-key", "ptrace"} <= found
    assert "confined-inside" in found


def test_with_seccomp_all_of_them_are_shut(lab: Lab) -> None:
    assert failed(lab.kernel()) == set()


def test_with_a_network_there_is_an_interface(bare: Callable[[Change], Lab]) -> None:
    assert "no-network" in failed(bare(network("host")).kernel())


def open_wide(body: dict[str, Any]) -> None:
    body["HostConfig"] |= {"Privileged": True, "ReadonlyRootfs": False}
    body["User"] = "0:0"


FILES: dict[str, tuple[Callable[[Lab], Change], set[str]]] = {
    "root": (lambda _: host(ReadonlyRootfs=False), {"read-only-root"}),
    "the folder": (lambda _: host(Tmpfs={"/tmp": "rw,exec,mode=1777"}), {"noexec", "writable-folders"}),
    "a mount": (lambda lab: host(Binds=[f"{lab.canary.parent}:{lab.canary.parent}:ro"]), {"host-canary", "mounts"}),
    "a secret": (
        lambda _: lambda body: body["Env"].append(f"SOME_TOKEN={SECRET}"),
        {"host-canary", "environment"},
    ),
    "the engine's socket": (
        lambda _: host(Binds=["/var/run/docker.sock:/var/run/docker.sock"]),
        {"engine-socket", "mounts"},
    ),
    "processes": (lambda _: host(PidMode="host"), {"own-processes"}),
    "everything": (
        lambda _: open_wide,
        {"read-only-root", "kernel-settings", "writable-folders", "devices"},
    ),
    "nothing": (lambda _: host(), set()),
}


@pytest.mark.parametrize("name", soon(FILES, 2))
def test_a_layer_that_is_off_fails_its_own_checks(lab: Lab, bare: Callable[[Change], Lab], name: str) -> None:
    change, expected = FILES[name]
    found = failed(bare(change(lab)).files())
    assert expected <= found
    if name != "everything":
        assert found == expected


@pytest.mark.rest
def test_a_fork_bomb_without_a_limit(bare: Callable[[Change], Lab]) -> None:
    assert failed(bare(host(PidsLimit=0)).processes()) == {"process-limit"}


COUNTED: dict[str, tuple[Change, set[str]]] = {
    "system calls": (without("seccomp"), {"page-cache", "watches", "pipes", "counters", "record-locks"}),
    "covers": (host(Tmpfs={"/tmp": "rw,noexec,mode=1777"}), {"pseudo-terminals", "message-queues"}),
    "limits": (host(Ulimits=[]), {"crashes", "signals"}),
}


@pytest.mark.rest
@pytest.mark.parametrize("name", COUNTED)
def test_what_is_counted_for_the_host_can_be_had_where_its_layer_is_off(
    bare: Callable[[Change], Lab], name: str
) -> None:
    change, expected = COUNTED[name]
    found = failed(bare(change).counted())
    assert expected <= found


def test_with_all_layers_nothing_that_is_counted_can_be_had(lab: Lab) -> None:
    assert failed(lab.counted()) == set()


@pytest.mark.rest
def test_names_that_are_not_there_fill_the_sandbox_and_no_more(lab: Lab) -> None:
    (outcome,) = lab.names()
    assert outcome.result is Result.OK, outcome.seen


@pytest.mark.rest
def test_names_that_are_not_there_without_a_limit(bare: Callable[[Change], Lab]) -> None:
    assert failed(bare(host(Memory=0, MemorySwap=0)).names()) == {"missing-names"}


@pytest.mark.rest
@pytest.mark.parametrize(
    ("each", "result"), [(0.0, Result.FAILED), (191.0, Result.FAILED), (192.0, Result.OK)], ids=str
)
def test_names_that_count_against_nobody(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, each: float, result: Result
) -> None:
    found = {"names": 1 << 18, "each": each, "peak": 200 * MIB}
    monkeypatch.setattr(probing._Opened, "ask", lambda *_, **__: found)
    assert [o.result for o in lab.names()] == [result]
    monkeypatch.setattr(probing._Opened, "ask", lambda *_, **__: {"names": 0, "each": 0.0, "peak": -1})
    assert [o.result for o in lab.names()] == [Result.WARNING]


def beyond(lab: Lab) -> list[Outcome]:
    return lab.outlasts(MEMORY, "memory", "W204", MOST=LIMITS.memory + 128 * MIB)


@pytest.mark.rest
def test_memory_without_a_limit(bare: Callable[[Change], Lab]) -> None:
    assert failed(beyond(bare(host(Memory=0, MemorySwap=0)))) == {"memory-limit"}


@pytest.mark.rest
def test_memory_with_a_limit(lab: Lab) -> None:
    assert failed(beyond(lab)) == set()


@pytest.mark.rest
def test_an_end_of_the_whole_sandbox_is_gvisors_alone(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it ends as a whole and gVisor is not there, nothing is known of the limit."""

    def lost(*_: object, **__: object) -> None:
        raise SandboxLostError("the sandbox was ended from outside")

    monkeypatch.setattr(probing._Opened, "ask", lost)
    assert failed([*beyond(lab), *lab.processes()]) == {"memory-limit", "process-limit"}
    monkeypatch.setattr(probing._Opened, "behind_gvisor", property(lambda _: True))
    found = [*beyond(lab), *lab.processes()]
    assert {o.result for o in found} == {Result.WARNING}
    assert all("the limit holds" in o.seen for o in found)


def flood(lab: Lab) -> list[Outcome]:
    return lab.outlasts(OUTPUT, "output", "W207", MOST=32 * MIB)


@pytest.mark.rest
def test_output_without_a_cap(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = stream.Streams
    monkeypatch.setattr(sandbox, "Streams", lambda attached, *, cap, **named: whole(attached, cap=cap << 20, **named))
    assert failed(flood(lab)) == {"output-limit"}


def test_output_with_a_cap(lab: Lab) -> None:
    assert failed(flood(lab)) == set()


def slumber(lab: Lab) -> list[Outcome]:
    return lab.outlasts(TIME, "sleep", "W203", call=1.0, SECONDS=3.0)


@pytest.mark.rest
def test_time_without_a_limit(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_remaining", lambda _: 60.0)
    assert failed(slumber(lab)) == {"time-limit"}


@pytest.mark.rest
def test_time_with_a_limit(lab: Lab) -> None:
    assert failed(slumber(lab)) == set()


@pytest.mark.rest
def test_an_end_whose_time_nobody_can_tell_is_no_failure(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object, **__: object) -> None:
        raise HostBusyError("nobody got the processor", remedy="try again")

    monkeypatch.setattr(probing._Opened, "ask", busy)
    (outcome,) = slumber(lab)
    assert outcome.result is Result.WARNING
    assert "nobody got the processor" in outcome.seen


@pytest.mark.rest
def test_a_sandbox_that_outlives_the_harness(
    bare: Callable[[Change], Lab], monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    monkeypatch.setattr(probing, "_END", 1.5)
    lab = bare(lambda body: body.update(StdinOnce=False))
    assert failed(lab.hangs_up()) == {"ends-with-its-host"}
    assert [one for one in lab.containers if engine.state(one)] == []


@pytest.mark.rest
def test_a_container_that_is_left_and_a_secret_that_was_changed(lab: Lab, engine: Engine) -> None:
    assert lab.left(SECRET).result is Result.OK
    left = Sandbox(engine, lab.recipe)
    lab.containers.append(left.container)
    try:
        found = lab.left(SECRET)
        assert found.result is Result.FAILED
        assert left.container[:12] in found.seen
    finally:
        left.close()
    assert lab.left(SECRET).result is Result.OK
    lab.canary.write_text("something else", encoding="ascii")
    assert lab.left(SECRET).result is Result.FAILED


@pytest.mark.rest
def test_a_sandbox_that_is_refused_is_not_probed(lab: Lab, monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    switch_off(monkeypatch, host(ReadonlyRootfs=False))
    found = {o.check.name: o for o in [*lab.kernel(), *lab.files()]}
    assert failed(list(found.values())) == {"built-as-asked", "confined-inside"}
    assert found["af-inet"].result is found["read-only-root"].result is Result.NOT_APPLICABLE
    assert NotIsolatedError.__doc__ is not None
    assert "does not isolate" in found["af-inet"].seen
    assert [one for one in lab.containers if engine.state(one)] == []


@pytest.mark.rest
def test_a_probe_that_comes_to_no_end_is_no_good_news(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> None:
        raise InfrastructureError("the engine went away", remedy="start it")

    monkeypatch.setattr(Sandbox, "wait_ready", lost)
    for outcomes in (lab.files(), lab.processes(), lab.hangs_up(), beyond(lab)):
        assert {o.result for o in outcomes} == {Result.FAILED}
    assert "confined-inside" in failed(lab.kernel())
