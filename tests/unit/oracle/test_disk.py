"""Which disk an engine reads from, as far as that can be known from here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from isolation_samples import IMAGE, confined, described

from harness.containers import devices, isolation
from harness.containers.devices import disk_of
from harness.containers.isolation import Evidence, problems
from harness.containers.request import Recipe
from harness.core.limits import Limits

HERE = {"DockerRootDir": "/"}


@pytest.mark.parametrize(
    ("url", "info", "podman", "why"),
    [
        ("tcp://far.example:2375", HERE, False, "another host"),
        ("ssh://far.example", HERE, False, "another host"),
        ("unix:///run/docker.sock", HERE, True, "Podman"),
        ("unix:///run/docker.sock", {**HERE, "SecurityOptions": ["name=rootless"]}, False, "rootless"),
        ("unix:///run/docker.sock", {**HERE, "OperatingSystem": "Docker Desktop"}, False, "machine of its own"),
        ("unix:///run/docker.sock", {"DockerRootDir": "/not/here"}, False, "/not/here"),
        ("unix:///run/docker.sock", {}, False, "nowhere"),
        ("unix:///run/docker.sock", {"DockerRootDir": "/proc"}, False, "no single device"),
    ],
)
def test_a_disk_that_cannot_be_known(url: str, info: dict[str, Any], why: str, *, podman: bool) -> None:
    found, words = disk_of(url, info, podman=podman)
    assert found is None
    assert why in words


def test_a_partition_stands_for_its_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    number = tmp_path.stat().st_dev
    whole = tmp_path / "sys/devices/sdx"
    part = whole / "sdx1"
    part.mkdir(parents=True)
    (part / "partition").write_text("1\n")
    (whole / "dev").write_text("8:0\n")
    (tmp_path / "sys/dev/block").mkdir(parents=True)
    (tmp_path / "sys/dev/block" / f"{os.major(number)}:{os.minor(number)}").symlink_to(part)
    (tmp_path / "data").mkdir()
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/sdx").touch()
    url, info = "unix:///run/docker.sock", {"DockerRootDir": "/data"}
    assert disk_of(url, info, podman=False, root=tmp_path)[1].endswith("another device here")
    # No test can make a block device: say that it is one, with the number of the disk.
    real = Path.stat

    def told(path: Path, **options: bool) -> os.stat_result:
        found = real(path, **options)
        if path != tmp_path / "dev/sdx":
            return found
        fields = {name: getattr(found, name) for name in ("st_rdev",)} | {"st_rdev": os.makedev(8, 0)}
        return os.stat_result((0o060660, *tuple(found)[1:]), fields)

    monkeypatch.setattr(Path, "stat", told)
    assert disk_of(url, info, podman=False, root=tmp_path)[0] == str(tmp_path / "dev/sdx")
    assert devices.__doc__


def test_an_engine_that_drops_the_limit_is_found_out_and_one_that_says_so_is_waived() -> None:
    asked = Recipe(IMAGE, Limits(), disk="/dev/sda")
    found = problems(Evidence((), described(), confined()), asked)
    assert [problem.layer for problem in found] == ["disk limit"]
    warning = "Your kernel does not support BPS Block I/O read limit or the cgroup is not mounted."
    (problem,) = isolation.warned([warning])
    assert (problem.layer, problem.waivable) == ("disk limit", True)
