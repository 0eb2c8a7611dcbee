"""The engine's account of itself, one thing spoilt at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.containers.cgroup import Group
from harness.containers.devices import GpuChoice
from harness.doctor import engine
from harness.doctor.engine import EngineView
from harness.doctor.model import Outcome, Result

INFO: dict[str, Any] = {
    "SecurityOptions": ["name=apparmor", "name=seccomp,profile=builtin", "name=rootless"],
    "MemoryLimit": True,
    "PidsLimit": True,
    "CpuCfsQuota": True,
    "SwapLimit": True,
    "CgroupVersion": "2",
    "CgroupDriver": "systemd",
    "Runtimes": {"runc": {}, "runsc": {}},
    "DefaultRuntime": "runc",
    "Warnings": None,
}
VERSION: dict[str, Any] = {
    "Version": "28.5.2",
    "ApiVersion": "1.51",
    "Platform": {"Name": "Docker Engine - Community"},
    "Components": [
        {"Name": "Engine", "Version": "28.5.2"},
        {"Name": "containerd", "Version": "v1.7.29"},
        {"Name": "runc", "Version": "1.3.3"},
    ],
}
GOOD = EngineView(
    "unix:///var/run/docker.sock",
    VERSION,
    INFO,
    socket_mode=0o660,
    disk="/dev/sda",
    about_disk="/dev/sda",
    group=Group("/harness", "/harness", weighted=True),
)


def outcome(name: str, view: EngineView) -> Outcome:
    (found,) = (o for o in engine.examine(view) if o.check.id == name)
    return found


def test_a_group_that_is_not_there_or_counts_for_no_more_than_a_process_is_told() -> None:
    for group in (Group(None, "the engine is rootless"), Group("/harness", "as much as one")):
        found = outcome("D113", replace(GOOD, group=group))
        assert found.result is Result.WARNING
        assert group.told in found.seen


def test_a_disk_that_is_not_known_is_told_with_the_reason() -> None:
    found = outcome("D112", replace(GOOD, disk=None, about_disk="the engine is rootless"))
    assert found.result is Result.WARNING
    assert "rootless" in found.seen


def with_info(**changes: Any) -> EngineView:
    return replace(GOOD, info={**INFO, **changes})


def with_part(name: str, version: str) -> EngineView:
    return replace(GOOD, version={**VERSION, "Components": [{"Name": name, "Version": version}]})


def test_a_good_engine_has_no_warning() -> None:
    assert {o.result for o in engine.examine(GOOD)} == {Result.OK, Result.NOT_APPLICABLE}


def test_every_check_of_the_engine_is_made_once_and_in_order() -> None:
    assert tuple(o.check for o in engine.examine(GOOD)) == engine.CHECKS


SPOILT: dict[str, tuple[EngineView, str, Result, str]] = {
    "tcp": (replace(GOOD, url="tcp://10.0.0.1:2375"), "D102", Result.WARNING, "not encrypted"),
    "http": (replace(GOOD, url="http://10.0.0.1:2375"), "D102", Result.WARNING, "not encrypted"),
    "a socket for everybody": (replace(GOOD, socket_mode=0o666), "D102", Result.WARNING, "0666"),
    "root is root": (with_info(SecurityOptions=["name=seccomp"]), "D103", Result.WARNING, "root outside"),
    "no seccomp": (with_info(SecurityOptions=["name=rootless"]), "D104", Result.FAILED, "names no seccomp"),
    "no access control": (with_info(SecurityOptions=["name=seccomp"]), "D105", Result.WARNING, "neither"),
    "no memory limit": (with_info(MemoryLimit=False), "D106", Result.FAILED, "memory"),
    "no pids limit": (with_info(PidsLimit=False), "D106", Result.FAILED, "processes"),
    "no processor limit": (with_info(CpuCfsQuota=False), "D106", Result.FAILED, "processor"),
    "no swap limit": (with_info(SwapLimit=False), "D106", Result.WARNING, "swap"),
    "neither swap nor memory": (with_info(SwapLimit=False, MemoryLimit=False), "D106", Result.FAILED, "memory, swap"),
    "nothing said of limits": (with_info(PidsLimit=None), "D106", Result.WARNING, "does not say"),
    "an unknown runtime": (replace(GOOD, runtime="kata"), "D107", Result.FAILED, "runc, runsc"),
    "an old runc": (with_part("runc", "1.1.5+ds1"), "D108", Result.WARNING, "CVE-2024-21626"),
    "a runc without a version": (with_part("other", ""), "D108", Result.WARNING, "does not name"),
    "an old Docker Desktop": (
        replace(GOOD, version={**VERSION, "Platform": {"Name": "Docker Desktop 4.43.1 (198352)"}}),
        "D109",
        Result.WARNING,
        "CVE-2025-9074",
    ),
    "an old toolkit": (
        replace(GOOD, gpu=GpuChoice(0, "gpus"), toolkit="CLI version 1.17.7"),
        "D110",
        Result.WARNING,
        "CVE-2025-23266",
    ),
    "a toolkit without a version": (replace(GOOD, gpu=GpuChoice(0, "gpus")), "D110", Result.WARNING, "does not tell"),
    "the engine's own warning": (
        with_info(Warnings=["WARNING: API is accessible on http://0.0.0.0:2375 without encryption."]),
        "D111",
        Result.WARNING,
        "without encryption",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_weakness_is_found(name: str) -> None:
    view, check, result, words = SPOILT[name]
    found = outcome(check, view)
    assert found.result is result
    assert words in found.seen
    assert found.remedy


def test_a_version_alone_is_said_to_prove_nothing() -> None:
    assert "proves nothing" in outcome("D108", with_part("runc", "1.1.5")).seen


@pytest.mark.parametrize(
    ("check", "view"),
    [
        ("D102", replace(GOOD, url="ssh://somebody@there")),
        ("D103", with_info(SecurityOptions=["name=userns", "name=seccomp"])),
        ("D105", with_info(SecurityOptions=["name=selinux"])),
        ("D107", replace(GOOD, runtime="runsc")),
        ("D108", with_info(RuncCommit={"ID": "old"})),
        ("D109", replace(GOOD, version={**VERSION, "Platform": {"Name": "Docker Desktop 4.44.3 (1)"}})),
        ("D110", replace(GOOD, gpu=GpuChoice(0, "cdi"), toolkit="NVIDIA Container Toolkit CLI version 1.19.1")),
        ("D111", with_info(Warnings=["WARNING: bridge-nf-call-iptables is disabled"])),
    ],
)
def test_what_is_well_is_ok(check: str, view: EngineView) -> None:
    assert outcome(check, view).result is Result.OK


def test_runcs_holes_are_nothing_to_another_runtime() -> None:
    assert outcome("D108", replace(with_part("runc", "1.1.5"), runtime="runsc")).result is Result.NOT_APPLICABLE
    crun = replace(GOOD, info={**INFO, "DefaultRuntime": "crun"})
    assert outcome("D108", crun).result is Result.NOT_APPLICABLE


def test_runcs_version_is_also_read_from_the_other_account() -> None:
    view = replace(GOOD, version={"Version": "20.10"}, info={**INFO, "RuncCommit": {"ID": "1.1.5+ds1-1"}})
    assert outcome("D108", view).result is Result.WARNING


IMAGE: dict[str, Any] = {
    "User": "65532:65532",
    "Env": ["PATH=/usr/bin", "LANG=C.UTF-8", "HOME=/tmp"],
    "Volumes": None,
    "Labels": {"harness.sandbox": "cpu", "harness.sandbox.base": "b", "harness.sandbox.torch": "2.13.0"},
}


def test_a_good_image() -> None:
    found = engine.image_configured({"Config": IMAGE})
    assert found.result is Result.OK
    assert "torch 2.13.0" in found.seen


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"User": ""}, "its user is root"),
        ({"User": "0:0"}, "its user is 0:0"),
        ({"Volumes": {"/data": {}}}, "Volumes"),
        ({"ExposedPorts": {"80/tcp": {}}}, "ExposedPorts"),
        ({"OnBuild": ["RUN x"]}, "OnBuild"),
        ({"Env": ["PATH=/bin", "AWS_SECRET_ACCESS_KEY=x"]}, "AWS_SECRET_ACCESS_KEY"),
        ({"Labels": None}, "no label"),
    ],
)
def test_an_image_with_something_of_its_own(changes: dict[str, Any], words: str) -> None:
    found = engine.image_configured({"Config": {**IMAGE, **changes}})
    assert found.result is Result.FAILED
    assert words in found.seen
    assert "=x" not in found.seen
