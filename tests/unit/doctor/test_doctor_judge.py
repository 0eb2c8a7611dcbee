"""The findings of a probe, one spoilt at a time: each check can fail."""

from __future__ import annotations

import copy
import errno
from typing import Any

import pytest
from isolation_samples import confined, described, in_gvisor

from harness.containers.isolation import Evidence
from harness.containers.request import Recipe
from harness.core.limits import Limits
from harness.doctor import judge
from harness.doctor.inside import files as files_probe
from harness.doctor.model import Result

KERNEL: dict[str, Any] = {
    "calls": dict.fromkeys(judge.DOORS, errno.EPERM),
    "network": {"interfaces": ["lo"], "up": [], "leave": errno.EPERM},
}
FILES: dict[str, Any] = {
    "write": {"/harness-doctor": errno.EROFS, "/usr/harness-doctor": errno.EROFS},
    "settings": {"/proc/sys/kernel/core_pattern": errno.EACCES},
    "writable": ["/tmp"],
    "privileged": [],
    "run from tmp": errno.EPERM,
    "tools": [],
    "canary": errno.ENOENT,
    "marks": [],
    "sockets": [],
    "environment": ["HOME", "PATH", "PYTHONHASHSEED"],
    "mounts": ["/", "/dev", "/dev/pts", "/etc/hosts", "/proc", "/proc/acpi", "/sys", "/sys/fs/cgroup", "/tmp"],
    "devices": ["full", "null", "random", "tty", "urandom", "zero"],
    "processes": 2,
    "server": 1,
    "user": [65532, 65532],
}


def test_good_findings_are_all_ok() -> None:
    found = [*judge.kernel(KERNEL, gvisor=False), *judge.files(FILES)]
    assert {o.result for o in found} == {Result.OK}
    assert tuple(o.check for o in found) == (*judge.KERNEL_CHECKS, *judge.FILE_CHECKS)


def of_call(key: str, number: int, *, gvisor: bool = False) -> Result:
    findings = copy.deepcopy(KERNEL)
    findings["calls"][key] = number
    (found,) = (o for o in judge.kernel(findings, gvisor=gvisor) if o.check is judge.DOORS[key])
    return found.result


@pytest.mark.parametrize("key", judge.DOORS)
@pytest.mark.parametrize("number", [0, errno.EINVAL, errno.EFAULT, errno.E2BIG, errno.EACCES, -1])
def test_a_door_that_opened_or_was_looked_behind(key: str, number: int) -> None:
    assert of_call(key, number) is Result.FAILED


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS, errno.EAFNOSUPPORT])
def test_a_door_that_is_shut_or_not_there(number: int) -> None:
    assert of_call("AF_ALG", number) is Result.OK


def test_what_gvisor_answers_itself_counts_for_nothing() -> None:
    assert of_call("AF_INET", 0, gvisor=True) is Result.NOT_APPLICABLE
    assert of_call("AF_INET", errno.EPERM, gvisor=True) is Result.OK


@pytest.mark.parametrize("gvisor", [False, True])
@pytest.mark.parametrize("change", [{"up": ["eth0"]}, {"leave": 0}])
def test_a_way_out_is_found_behind_gvisor_too(change: dict[str, Any], *, gvisor: bool) -> None:
    findings = {**KERNEL, "network": {**KERNEL["network"], **change}}
    (found,) = (o for o in judge.kernel(findings, gvisor=gvisor) if o.check is judge.NETWORK)
    assert found.result is Result.FAILED


SPOILT: dict[str, tuple[dict[str, Any], str]] = {
    "the root is written": ({"write": {"/harness-doctor": 0, "/usr/harness-doctor": errno.EROFS}}, "D421"),
    "only permissions hold": ({"write": {"/harness-doctor": errno.EACCES}}, "D421"),
    "a setting": ({"settings": {"/proc/sys/kernel/core_pattern": 0}}, "D422"),
    "a folder": ({"writable": ["/tmp", "/var/tmp"]}, "D423"),
    "message queues": ({"writable": ["/tmp", "/dev/mqueue"]}, "D423"),
    "code from /tmp": ({"run from tmp": 0}, "D424"),
    "the canary is read": ({"canary": 0}, "D425"),
    "the canary is there": ({"canary": errno.EACCES}, "D425"),
    "the secret is inside": ({"marks": ["/etc/hosts"]}, "D425"),
    "a token": ({"environment": ["HOME", "GITHUB_TOKEN"]}, "D426"),
    "podman's mark on Docker": ({"environment": ["container"]}, "D426"),
    "a mount": ({"mounts": ["/", "/data"]}, "D427"),
    "the secrets of a subscription": ({"mounts": ["/", "/run/secrets"]}, "D427"),
    "the driver without a GPU": ({"mounts": ["/usr/lib/libcuda.so.1"]}, "D427"),
    "a disk": ({"devices": ["null", "sda"]}, "D428"),
    "a GPU that nobody asked for": ({"devices": ["nvidia0"]}, "D428"),
    "fuse": ({"devices": ["fuse"]}, "D428"),
    "the engine's socket": ({"sockets": ["/run/docker.sock"]}, "D429"),
    "processes of the host": ({"processes": 200}, "D430"),
    "another first process": ({"server": 4711}, "D430"),
    "setuid": ({"privileged": ["/usr/bin/su"]}, "D431"),
    "a shell": ({"tools": ["sh"]}, "D432"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_finding_fails_its_check_and_no_other(name: str) -> None:
    change, check = SPOILT[name]
    found = {o.check.id: o.result for o in judge.files({**FILES, **change})}
    assert [key for key, result in found.items() if result is not Result.OK] == [check]
    assert found[check] is Result.FAILED


def test_what_belongs_to_a_gpu_to_podman_and_to_gvisor() -> None:
    gpu = {"mounts": ["/", "/usr/lib/x86_64-linux-gnu/libcuda.so.1", "/usr/bin/nvidia-smi"], "devices": ["nvidia0"]}
    assert {o.result for o in judge.files({**FILES, **gpu}, gpu=True)} == {Result.OK}
    podman = {"environment": ["HOME", "container"], "mounts": ["/", "/run/.containerenv"]}
    assert {o.result for o in judge.files({**FILES, **podman}, podman=True)} == {Result.OK}
    gvisor = {"devices": ["fuse"], "write": {"/harness-doctor": errno.EACCES}, "run from tmp": 0}
    found = {o.check.id: o.result for o in judge.files({**FILES, **gvisor}, gvisor=True)}
    assert {key for key, result in found.items() if result is not Result.OK} == {"D424"}
    assert found["D424"] is Result.WARNING


def test_the_preflights_witnesses_are_shown_one_by_one() -> None:
    asked = Recipe(described()["Image"], Limits())

    def results(evidence: Evidence) -> list[Result]:
        return [o.result for o in judge.preflight(evidence, asked)]

    good = Evidence((), described(), confined())
    assert results(good) == [Result.OK] * 3
    memory = "Your kernel does not support memory limit capabilities"
    assert results(Evidence((memory,), described(), confined())) == [Result.FAILED, Result.OK, Result.OK]
    swap = "Your kernel does not support swap limit capabilities"
    assert results(Evidence((swap,), described(), confined())) == [Result.WARNING, Result.OK, Result.OK]
    privileged = described()
    privileged["HostConfig"]["Privileged"] = True
    assert results(Evidence((), privileged, confined())) == [Result.OK, Result.FAILED, Result.OK]
    assert results(Evidence((), described(), confined(seccomp=0))) == [Result.OK, Result.OK, Result.FAILED]
    behind = Evidence((), described(runtime="runsc"), in_gvisor())
    (*_, inside) = judge.preflight(behind, Recipe(described()["Image"], Limits(), runtime="runsc"))
    assert inside.result is Result.OK
    assert "gVisor" in inside.seen


def test_the_probe_finds_a_shell_and_a_setuid_file_where_there_are_some(tmp_path: Any) -> None:
    """On the host that runs the tests there is a shell; in the image there is none."""
    assert "sh" in files_probe.tools("/bin:/usr/bin")
    assert files_probe.tools(str(tmp_path)) == files_probe.tools("")
    (tmp_path / "plain").write_text("x")
    raised = tmp_path / "raised"
    raised.write_text("x")
    raised.chmod(0o4755)
    (tmp_path / "link").symlink_to(raised)
    writable, privileged = files_probe.walk(str(tmp_path))
    assert privileged == [str(raised)]
    assert writable == [str(tmp_path)]


COUNTED: dict[str, Any] = {
    "terminal": errno.ENOENT,
    "queue": errno.EROFS,
    **dict.fromkeys(
        ("mq_open", "drop", "inotify_init1", "fanotify_init", "epoll_create1", "notify", "resize"), errno.EPERM
    ),
    **dict.fromkeys(("lock", "flock"), errno.EPERM),
    **dict.fromkeys(("core", "timer_create", "io_setup", "shmget", "semget", "msgget"), errno.EPERM),
    "core limit": 1,
    "waiting": 256,
}
HAD: dict[str, tuple[dict[str, int], str]] = {
    "a terminal": ({"terminal": 0}, "D433"),
    "a terminal, but for their number": ({"terminal": errno.ENOSPC}, "D433"),
    "a queue": ({"queue": 0}, "D434"),
    "a queue by its call": ({"mq_open": errno.EMFILE}, "D434"),
    "pages are dropped": ({"drop": 0}, "D435"),
    "inotify": ({"inotify_init1": errno.EMFILE}, "D436"),
    "notes of folders": ({"notify": 0}, "D436"),
    "epoll": ({"epoll_create1": 0}, "D436"),
    "a larger pipe": ({"resize": 0}, "D437"),
    "another limit of cores": ({"core": 0}, "D438"),
    "no core at all": ({"core limit": 0}, "D438"),
    "many signals": ({"waiting": 1024}, "D439"),
    "nobody knows how many": ({"waiting": -1}, "D439"),
    "a timer": ({"timer_create": 0}, "D440"),
    "memory of System V": ({"shmget": 0}, "D440"),
    "semaphores of System V, but for their number": ({"semget": errno.ENOSPC}, "D440"),
    "a queue of System V": ({"msgget": 0}, "D440"),
    "a lock of a record": ({"lock": 0}, "D447"),
    "a lock of a file": ({"flock": 0}, "D447"),
}


def test_where_nothing_is_counted_for_the_host_all_is_ok() -> None:
    found = list(judge.counted(COUNTED))
    assert {o.result for o in found} == {Result.OK}
    assert tuple(o.check for o in found) == judge.COUNTED_CHECKS


@pytest.mark.parametrize("name", HAD)
def test_what_can_be_had_fails_its_check_and_under_gvisor_it_is_its_own(name: str) -> None:
    change, check = HAD[name]
    found = {o.check.id: o.result for o in judge.counted({**COUNTED, **change})}
    assert [key for key, result in found.items() if result is not Result.OK] == [check]
    assert found[check] is Result.FAILED
    behind = {o.check.id: o.result for o in judge.counted({**COUNTED, **change}, gvisor=True)}
    assert behind[check] is Result.NOT_APPLICABLE


def test_cuda_may_wait_by_epoll_and_lock_records() -> None:
    assert {o.result for o in judge.counted({**COUNTED, "epoll_create1": 0, "lock": 0}, gpu=True)} == {Result.OK}
