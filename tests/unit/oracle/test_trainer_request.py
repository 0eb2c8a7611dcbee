"""Every wall around a trainer is in the request, and an engine that leaves one out is found out."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from harness.containers.devices import GpuChoice
from harness.containers.trainer_request import Mount, TrainerLimits, container_user, not_as_asked, trainer_request

MOUNTS = (Mount(Path("/host/data"), "/data"), Mount(Path("/host/out"), "/out", writable=True))


def request(**options: Any) -> dict[str, Any]:
    limits = options.pop("limits", TrainerLimits(memory=1 << 30, pids=99, cpus=1.5))
    return trainer_request("sha256:1", limits, MOUNTS, "/job/job.json", user="65532:65532", **options)


def test_the_walls() -> None:
    body = request(labels=(("harness.run", "x/1"),))
    host = body["HostConfig"]
    assert (host["NetworkMode"], body["NetworkDisabled"]) == ("none", True)
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"], host["NanoCpus"]) == (1 << 30, 1 << 30, 99, 1.5e9)
    assert "noexec" in host["Tmpfs"]["/tmp"]
    assert [(m["Target"], m["ReadOnly"]) for m in host["Mounts"]] == [("/data", True), ("/out", False)]
    assert {m["BindOptions"]["Propagation"] for m in host["Mounts"]} == {"rprivate"}
    assert body["User"] == "65532:65532"
    assert body["Cmd"] == ["/job/job.json", "--lifeline"]
    assert (body["OpenStdin"], body["StdinOnce"]) == (True, True)
    assert body["Labels"]["harness.run"] == "x/1"
    assert body["Labels"]["harness.sandbox"] == "1"
    assert body["Labels"]["harness.owner"]
    assert "DeviceRequests" not in host
    assert not any("TOKEN" in entry or "KEY" in entry for entry in body["Env"])


def test_a_gpu_is_passed_through() -> None:
    body = request(gpu=GpuChoice(2, "cdi"))
    assert body["HostConfig"]["DeviceRequests"][0]["DeviceIDs"] == ["nvidia.com/gpu=2"]


def test_several_ranks_find_each_other_without_a_name() -> None:
    body = request(limits=TrainerLimits(processes=4))
    assert body["Entrypoint"][-3:] == ["--nproc-per-node=4", "-m", "harness.trainer"]
    assert "--master-addr=127.0.0.1" in body["Entrypoint"]
    assert {"GLOO_SOCKET_IFNAME=lo", "NCCL_SOCKET_IFNAME=lo"} <= set(body["Env"])
    assert not any("IFNAME" in entry for entry in request()["Env"])


@pytest.mark.parametrize("method", ["cdi", "gpus"])
def test_several_ranks_get_a_gpu_each_and_one_gets_one(method: str) -> None:
    gpu = GpuChoice(2, method, (3, 5))
    names = [f"nvidia.com/gpu={i}" if method == "cdi" else str(i) for i in (2, 3, 5)]
    for ranks in (1, 2, 3):
        body = request(gpu=gpu, limits=TrainerLimits(processes=ranks))
        (asked,) = body["HostConfig"]["DeviceRequests"]
        assert asked["DeviceIDs"] == names[:ranks]
        visible = [entry for entry in body["Env"] if entry.startswith("NVIDIA_VISIBLE")]
        assert visible == ([f"NVIDIA_VISIBLE_DEVICES={','.join(names[:ranks])}"] if method == "gpus" else [])


def built(body: dict[str, Any]) -> dict[str, Any]:
    host = copy.deepcopy(body["HostConfig"])
    mounts = [
        {"Type": "bind", "Destination": m["Target"], "RW": not m["ReadOnly"], "Source": m["Source"]}
        for m in host["Mounts"]
    ]
    return {"HostConfig": host, "Mounts": mounts}


def test_what_was_built_as_asked_passes() -> None:
    body = request()
    assert not not_as_asked(body, built(body))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NetworkMode", "bridge"),
        ("ReadonlyRootfs", False),
        ("Privileged", True),
        ("Memory", 0),
        ("PidsLimit", 0),
        ("CapDrop", None),
        ("SecurityOpt", []),
    ],
)
def test_a_wall_that_was_left_out_is_found(name: str, value: Any) -> None:
    body = request()
    found = built(body)
    found["HostConfig"][name] = value
    assert not_as_asked(body, found) == [name]


def test_a_mount_that_is_writable_or_nobody_asked_for_is_found() -> None:
    body = request()
    writable, more = built(body), built(body)
    writable["Mounts"][0]["RW"] = True
    more["Mounts"].append({"Type": "bind", "Destination": "/etc", "RW": False})
    assert not_as_asked(body, writable) == ["the mount /data"]
    assert not_as_asked(body, more) == ["the mount /etc"]


@pytest.mark.parametrize(
    ("uid", "options", "user"),
    [(0, [], "65532:65532"), (1000, [], "1000:1001"), (1000, ["name=rootless"], "0:0")],
)
def test_who_the_step_is_inside(uid: int, options: list[str], user: str) -> None:
    assert container_user({"SecurityOptions": options}, uid, 1001) == user
