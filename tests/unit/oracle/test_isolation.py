"""Each fact made bad, one at a time, names its layer; good ones name none."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from isolation_samples import GOOD_FLAGS, IMAGE, confined, described, in_gvisor, ready_payload

from harness.containers.devices import GpuChoice
from harness.containers.isolation import Evidence, NotIsolatedError, behind_gvisor, built, problems, warned
from harness.containers.request import Recipe, seccomp_profile
from harness.core.limits import MIB, Limits
from harness.protocol import frames
from harness.sandbox import confinement

if TYPE_CHECKING:
    from harness.protocol.frames import Confinement

ASKED = Recipe(IMAGE, Limits())
GVISOR = Recipe(IMAGE, Limits(), runtime="runsc")


def layers(
    inside: Confinement | None = None,
    description: dict[str, Any] | None = None,
    warnings: tuple[str, ...] = (),
    asked: Recipe = ASKED,
) -> list[str]:
    evidence = Evidence(warnings, description or described(runtime=asked.runtime), inside or confined())
    return [problem.layer for problem in problems(evidence, asked)]


def test_a_sandbox_as_it_was_asked_for_has_no_problem() -> None:
    assert layers() == []


INSIDE: dict[str, tuple[dict[str, Any], str]] = {
    "no filter": ({"seccomp": 0}, "seccomp"),
    "strict mode is not our filter": ({"seccomp": 1}, "seccomp"),
    "nobody knows about the filter": ({"seccomp": None}, "seccomp"),
    "new privileges": ({"flags": GOOD_FLAGS & ~confinement.NO_NEW_PRIVILEGES}, "no-new-privileges"),
    "a capability held": ({"held": 1 << 21}, "capabilities"),
    "capabilities unknown": ({"held": None}, "capabilities"),
    "a capability within reach": ({"bound": 1 << 13}, "capabilities"),
    "root": ({"uid": 0}, "user"),
    "the group of root": ({"gid": 0}, "user"),
    "a root to write to": ({"flags": GOOD_FLAGS & ~confinement.ROOT_READ_ONLY}, "read-only root"),
    "an interface": ({"interfaces": 1}, "network"),
    "interfaces unknown": ({"interfaces": None}, "network"),
    "a socket": ({"flags": GOOD_FLAGS | confinement.INET_SOCKET}, "network"),
    "programs in /tmp": ({"flags": GOOD_FLAGS & ~confinement.TMP_NOEXEC}, "writable folder"),
    "setuid in /tmp": ({"flags": GOOD_FLAGS & ~confinement.TMP_NOSUID}, "writable folder"),
    "devices in /tmp": ({"flags": GOOD_FLAGS & ~confinement.TMP_NODEV}, "writable folder"),
    "twice the memory": ({"memory": 2048 * MIB}, "memory limit"),
    "memory without a limit": ({"memory": confinement.UNLIMITED}, "memory limit"),
    "processes without a limit": ({"pids": confinement.UNLIMITED}, "pids limit"),
    "one process more": ({"pids": 65}, "pids limit"),
    "two processors": ({"cpus": 2_000_000_000}, "cpu limit"),
    "swap": ({"swap": 512 * MIB}, "swap limit"),
    "descriptors": ({"descriptors": 1024}, "descriptor limit"),
    "descriptors unknown": ({"descriptors": None}, "descriptor limit"),
    "files": ({"file_size": confinement.UNLIMITED}, "file size limit"),
    "cores": ({"core": confinement.UNLIMITED}, "core limit"),
    "instructions of its own": ({"flags": GOOD_FLAGS & ~confinement.PINNED}, "instructions"),
    "a terminal": ({"flags": GOOD_FLAGS | confinement.TERMINAL}, "terminals"),
    "message queues": ({"flags": GOOD_FLAGS | confinement.QUEUES}, "message queues"),
    "a large /tmp": ({"tmp_size": 1 << 34}, "writable folder"),
    "many inodes": ({"tmp_inodes": 1 << 20}, "writable folder"),
}


@pytest.mark.parametrize("name", INSIDE)
def test_a_fact_inside_names_its_layer(name: str) -> None:
    changes, layer = INSIDE[name]
    assert layers(confined(**changes)) == [layer]


@pytest.mark.parametrize("name", ["memory", "swap", "pids", "cpus"])
def test_a_cgroup_that_shows_nothing_inside_is_left_to_the_engines_description(name: str) -> None:
    assert layers(confined(**{name: None})) == []


def test_a_limit_that_the_kernel_rounded_up_to_pages_holds() -> None:
    assert layers(confined(memory=1024 * MIB + 4096, cpus=1_000_500_000)) == []


def change(path: str, value: object) -> dict[str, Any]:
    whole = copy.deepcopy(described())
    at = whole
    *folders, last = path.split(".")
    for folder in folders:
        at = at[folder]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return whole


BUILT: dict[str, tuple[str, object, str]] = {
    "privileged": ("HostConfig.Privileged", True, "privileges"),
    "nothing said of privileges": ("HostConfig.Privileged", ..., "privileges"),
    "a bind": ("HostConfig.Binds", ["/:/host"], "mounts"),
    "a mount": ("HostConfig.Mounts", [{"Type": "bind"}], "mounts"),
    "a mount of the engine's": ("Mounts", [{"Type": "volume", "Destination": "/data"}], "mounts"),
    "volumes of another": ("HostConfig.VolumesFrom", ["other"], "mounts"),
    "a device": ("HostConfig.Devices", [{"PathOnHost": "/dev/sda"}], "privileges"),
    "a GPU that nobody asked for": ("HostConfig.DeviceRequests", [{"Count": -1}], "privileges"),
    "a capability": ("HostConfig.CapAdd", ["SYS_ADMIN"], "privileges"),
    "a group": ("HostConfig.GroupAdd", ["docker"], "privileges"),
    "a network": ("HostConfig.NetworkMode", "bridge", "network"),
    "the host's network": ("HostConfig.NetworkMode", "host", "network"),
    "a root to write to": ("HostConfig.ReadonlyRootfs", False, "read-only root"),
    "root": ("Config.User", "", "user"),
    "the host's processes": ("HostConfig.PidMode", "host", "namespaces"),
    "the host's memory": ("HostConfig.IpcMode", "host", "namespaces"),
    "the host's users": ("HostConfig.UsernsMode", "host", "namespaces"),
    "another image": ("Image", "sha256:" + "b" * 64, "image"),
    "no capability dropped": ("HostConfig.CapDrop", [], "capabilities"),
    "no memory limit": ("HostConfig.Memory", 0, "memory limit"),
    "no pids limit": ("HostConfig.PidsLimit", None, "pids limit"),
    "pids without a limit": ("HostConfig.PidsLimit", -1, "pids limit"),
    "more processors": ("HostConfig.NanoCpus", 4_000_000_000, "cpu limit"),
}


@pytest.mark.parametrize("name", BUILT)
def test_a_container_built_otherwise_names_its_layer(name: str) -> None:
    path, value, layer = BUILT[name]
    assert layers(description=change(path, value)) == [layer]


OURS = f"seccomp={seccomp_profile('cpu')}"


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["no-new-privileges", "seccomp=unconfined"], ["seccomp", "seccomp"]),
        (["no-new-privileges"], ["seccomp"]),
        (["no-new-privileges", "seccomp={}"], ["seccomp"]),
        (["no-new-privileges", f"seccomp={seccomp_profile('cuda')}"], ["seccomp"]),
        ([OURS], ["no-new-privileges"]),
        (["no-new-privileges", OURS, "label=disable"], ["seccomp"]),
        (["no-new-privileges", OURS, "apparmor=unconfined"], ["seccomp"]),
        (["no-new-privileges:true", OURS], []),
        (None, ["seccomp", "no-new-privileges"]),
    ],
)
def test_security_options(options: list[str] | None, found: list[str]) -> None:
    assert layers(description=change("HostConfig.SecurityOpt", options)) == found


def test_a_gpu_that_was_asked_for_is_no_privilege() -> None:
    description = change("HostConfig.DeviceRequests", [{"DeviceIDs": ["0"]}])
    description["HostConfig"]["SecurityOpt"] = ["no-new-privileges", f"seccomp={seccomp_profile('cuda')}"]
    assert list(built(description, Recipe(IMAGE, Limits(), gpu=GpuChoice(0, "cdi"), variant="cuda"))) == []


def test_the_folder_that_was_asked_for_is_no_mount_of_the_engines() -> None:
    assert layers(description=change("Mounts", [{"Type": "tmpfs", "Destination": "/tmp"}])) == []
    assert layers(description=change("Mounts", [{"Type": "bind", "Destination": "/tmp"}])) == ["mounts"]
    assert layers(description=change("Mounts", [{"Type": "tmpfs", "Destination": "/data"}])) == ["mounts"]


def test_an_image_by_its_tag_is_not_compared() -> None:
    assert list(built(described(), Recipe("harness-sandbox:cpu-0123456789ab", Limits()))) == []


def test_podman_spells_some_of_it_its_own_way() -> None:
    description = change("HostConfig.CapDrop", ["CAP_CHOWN", "CAP_KILL"])
    description["HostConfig"] |= {"SecurityOpt": [], "NanoCpus": 0}
    description["Image"] = description["Image"].removeprefix("sha256:")
    asked = Recipe(IMAGE, Limits(), podman=True)
    assert layers(confined(tmp_inodes=1 << 20), description, asked=asked) == []
    assert layers(confined(seccomp=0, held=1), description, asked=asked) == ["seccomp", "capabilities"]
    description["HostConfig"]["Runtime"] = "oci"
    gvisor = Recipe(IMAGE, Limits(), runtime="runsc", podman=True)
    assert layers(in_gvisor(), description, asked=gvisor) == []
    assert layers(confined(), description, asked=gvisor) == ["runtime"]


WARNINGS = {
    "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.": (
        "memory limit",
        False,
    ),
    "Your kernel does not support pids limit capabilities or the cgroup is not mounted. PIDs limit discarded.": (
        "pids limit",
        False,
    ),
    "Your kernel does not support CPU CFS scheduler or the cgroup is not mounted.": ("cpu limit", False),
    "Resource limits are not supported and ignored on cgroups V1 rootless systems": ("limits", False),
    "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.": (
        "swap limit",
        True,
    ),
}


@pytest.mark.parametrize("warning", WARNINGS)
def test_a_warning_about_a_limit_that_was_asked_for(warning: str) -> None:
    (problem,) = warned([warning])
    assert (problem.layer, problem.waivable) == WARNINGS[warning]


def test_other_warnings_have_no_weight() -> None:
    assert layers(warnings=("IPv4 forwarding is disabled. Networking will not work.",)) == []


def test_only_swap_can_be_waived() -> None:
    evidence = Evidence((), described(), confined(swap=1, memory=confinement.UNLIMITED))
    assert {p.layer: p.waivable for p in problems(evidence, ASKED)} == {"memory limit": False, "swap limit": True}


def test_gvisor_is_taken_for_what_it_is() -> None:
    assert layers(in_gvisor(), asked=GVISOR) == []
    assert behind_gvisor(in_gvisor(), "runsc")


def test_gvisor_that_is_not_there_is_refused() -> None:
    """Asked for as runsc, with all of runc's layers in force: still not what was asked for."""
    assert layers(confined(), asked=GVISOR) == ["runtime"]
    assert "runtime" in layers(confined(), description=described(runtime="runc"), asked=GVISOR)


def test_a_kernel_that_only_says_that_it_is_gvisors_is_judged_as_any_other() -> None:
    inside = in_gvisor()
    assert not behind_gvisor(inside, "runc")
    assert {"seccomp", "no-new-privileges", "network"} <= set(layers(inside))


@pytest.mark.parametrize(
    ("changes", "layer"),
    [
        ({"held": 1}, "capabilities"),
        ({"uid": 0}, "user"),
        ({"interfaces": 1}, "network"),
        ({"flags": confinement.GVISOR | confinement.TMP_NOEXEC | confinement.PINNED}, "read-only root"),
        ({"flags": confinement.GVISOR | confinement.ROOT_READ_ONLY | confinement.PINNED}, "writable folder"),
        ({"core": 2}, "core limit"),
    ],
)
def test_gvisor_is_not_excused_from_the_rest(changes: dict[str, Any], layer: str) -> None:
    assert layers(in_gvisor(**changes), asked=GVISOR) == [layer]


def test_another_runtime_than_the_one_asked_for() -> None:
    found = list(built(described(runtime="runc"), Recipe(IMAGE, Limits(), runtime="kata")))
    assert [problem.layer for problem in found] == ["runtime"]


def test_the_refusal_names_every_layer_and_a_remedy() -> None:
    found = problems(Evidence((), described(), confined(seccomp=0, uid=0)), ASKED)
    refusal = NotIsolatedError(found)
    assert "seccomp: " in refusal.message
    assert "user: " in refusal.message
    assert "harness doctor" in refusal.remedy
    assert refusal.exit_code == 3


def test_the_facts_arrive_as_they_were_packed() -> None:
    ready = frames.parse_ready(ready_payload())
    assert ready.versions == ("3.11.2", "2.13.0+cpu")
    assert ready.confinement == confined()


def test_what_could_not_be_seen_arrives_as_none() -> None:
    unseen: dict[str, Any] = dict.fromkeys(("held", "memory", "core", "tmp_size"), confinement.UNSEEN)
    got = frames.parse_ready(ready_payload(seccomp=0xFF, interfaces=0xFFFF, **unseen)).confinement
    assert (got.seccomp, got.interfaces, got.held, got.memory, got.core, got.tmp_size) == (None,) * 6
    assert got.uid == 65532


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        ready_payload(versions=b""),
        ready_payload(versions=b"3.11"),
        ready_payload(versions=b"3.11 2.13 x"),
        ready_payload(versions=b"3.11  2.13"),
        ready_payload(versions=b" 3.11 2.13"),
        ready_payload(versions=b"\xff\xff \xff"),
        ready_payload(versions=b"3.11\x1b[31m 2\x07"),
        ready_payload(versions=b"3.11 " + b"2" * 96),
        ready_payload()[: confinement.FACTS.size - 1],
        ready_payload(flags=1 << 15),
        b"".join((ready_payload()[:3], b"\1", ready_payload()[4:])),  # a byte that means nothing
        b"3.11.2 2.13.0+cpu",
    ],
)
def test_a_payload_with_a_byte_that_means_nothing_is_refused(payload: bytes) -> None:
    with pytest.raises(frames.WireError):
        frames.parse_ready(payload)
