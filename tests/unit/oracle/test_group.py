"""The control group of the containers: asked for where it can be, weighed where we may, left out where it is said."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from harness.containers.cgroup import VARIABLE, Group, group_of
from harness.containers.request import Recipe, container_request
from harness.containers.trainer_request import TrainerLimits, trainer_request
from harness.core.errors import UserError
from harness.core.limits import Limits

if TYPE_CHECKING:
    from pathlib import Path

SOCKET = "unix:///var/run/docker.sock"
V1: dict[str, Any] = {"CgroupDriver": "cgroupfs", "CgroupVersion": "1", "SecurityOptions": ["name=seccomp"]}
V2 = {**V1, "CgroupVersion": "2"}
SYSTEMD = {**V2, "CgroupDriver": "systemd"}


def host(root: Path, version: int) -> Path:
    top = root / "sys/fs/cgroup" / ("cpu" if version == 1 else "")
    top.mkdir(parents=True)
    return top


def found(info: dict[str, Any], root: Path, *, url: str = SOCKET, podman: bool = False, wish: str = "") -> Group:
    return group_of(url, info, podman=podman, env={VARIABLE: wish}, root=root)


@pytest.mark.parametrize(
    ("info", "version", "file", "weight"), [(V1, 1, "cpu.shares", 4096), (V2, 2, "cpu.weight", 400)]
)
def test_the_group_counts_as_much_as_four_processes(
    info: dict[str, Any], version: int, file: str, weight: int, tmp_path: Path
) -> None:
    top = host(tmp_path, version)
    for _ in range(2):  # the second finds it as it is to be
        assert found(info, tmp_path) == Group("/harness", "/harness: it counts as much as 4 processes", weighted=True)
        assert (top / "harness" / file).read_text() == str(weight)
        (top / "harness").chmod(0o555)


def test_it_is_asked_for_though_nobody_may_weigh_it(tmp_path: Path) -> None:
    one = found(V1, tmp_path)  # there are no control groups to be seen here
    assert (one.parent, one.weighted) == ("/harness", False)
    assert "as one process" in one.told


def test_systemd_is_told_by_its_own_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: asked.append(command))
    top = host(tmp_path, 2)
    assert found(SYSTEMD, tmp_path) == Group("harness.slice", "harness.slice: it counts as much as 4 processes", True)  # noqa: FBT003 - as its fields stand
    assert asked == [["systemctl", "set-property", "--runtime", "harness.slice", "CPUWeight=400"]]
    assert not list(top.iterdir()), "what is written past systemd is lost"
    (top / "harness.slice").mkdir()
    (top / "harness.slice/cpu.weight").write_text("400\n")
    assert found(SYSTEMD, tmp_path).weighted
    assert len(asked) == 1, "it counts for as much already"


def test_a_host_without_systemd_leaves_it_at_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert found(SYSTEMD, tmp_path).parent == "harness.slice"
    assert not found(SYSTEMD, tmp_path).weighted


@pytest.mark.parametrize(
    ("info", "changes", "why"),
    [
        (V1, {"url": "ssh://elsewhere"}, "another host"),
        (V1, {"podman": True}, "Podman"),
        ({**V2, "SecurityOptions": ["name=rootless"]}, {}, "rootless"),
        ({**V2, "OperatingSystem": "Docker Desktop"}, {}, "machine of its own"),
        ({**V2, "CgroupDriver": "none"}, {}, "no control groups"),
        ({}, {}, "no control groups"),
        (V1, {"wish": "none"}, VARIABLE),
    ],
)
def test_where_nobody_has_tried_it_the_engine_chooses(
    info: dict[str, Any], changes: dict[str, Any], why: str, tmp_path: Path
) -> None:
    host(tmp_path, 1)
    one = found(info, tmp_path, **changes)
    assert one.parent is None
    assert why in one.told
    assert not list((tmp_path / "sys/fs/cgroup/cpu").iterdir())


@pytest.mark.parametrize(("info", "wish"), [(V1, "/ci/harness"), (V1, "ci"), (SYSTEMD, "ci.slice")])
def test_another_group_may_be_named(info: dict[str, Any], wish: str, tmp_path: Path) -> None:
    host(tmp_path, 1)
    assert found(info, tmp_path, wish=wish).parent == wish
    assert not list((tmp_path / "sys/fs/cgroup/cpu").iterdir()), "and its weight is its owner's"


@pytest.mark.parametrize(
    ("info", "wish"),
    [(V1, "../up"), (V1, "a/../../b"), (V1, "a b"), (V1, "/"), (SYSTEMD, "/ci"), (SYSTEMD, "ci"), ({}, "ci")],
)
def test_a_name_that_the_engine_cannot_take_is_the_users_mistake(
    info: dict[str, Any], wish: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=VARIABLE):
        found(info, tmp_path, wish=wish)


def test_sandboxes_and_trainers_are_asked_into_it() -> None:
    limits = TrainerLimits()
    trainer = trainer_request("sha256:1", limits, (), "/job/job.json", user="65532:65532", group="/harness")
    sandbox = container_request(Recipe("image", Limits(), group="/harness"))
    plain = container_request(Recipe("image", Limits()))
    assert trainer["HostConfig"]["CgroupParent"] == sandbox["HostConfig"].pop("CgroupParent") == "/harness"
    assert sandbox == plain, "and nothing else is asked for otherwise"
