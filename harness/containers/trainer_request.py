"""The exact request for a trainer's or scorer's container. A pure function, as for sandboxes.

No candidate is ever in there: what runs is our own code, over data and weights that somebody else may have made. So
it has no network, no capability, no new privileges and nothing of the host but what is mounted, all of it read-only
save for the one folder for what it makes. The engine's own list of system calls applies.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.containers.request import USER, request_for
from harness.core import pins
from harness.core.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.containers.devices import GpuChoice

#: As in a sandbox (`request.COMMAND`), and it ends when its standard input is closed.
COMMAND = ["python3", "-s", "-P", "-B", "-u", "-m", "harness.trainer"]
#: Several ranks on one machine, as accelerate finds them. Its own launcher looks `localhost` up, and a container
#: without a network knows no names; nobody else listens there, so the port is free.
_LAUNCH = ["python3", "-s", "-P", "-B", "-u", "-m", "torch.distributed.run", "--nnodes=1", "--rdzv-backend=static"]
_LAUNCH += ["--master-addr=127.0.0.1", "--master-port=29500"]
#: Ranks find each other there and nowhere else.
_RANKS = ("GLOO_SOCKET_IFNAME=lo", "NCCL_SOCKET_IFNAME=lo")
_TMP_SIZE = 2048 * MIB
_DESCRIPTORS = 4096


@dataclass(frozen=True)
class TrainerLimits:
    """What one step may use: bytes of memory and of what it writes, tasks, processors, seconds, ranks."""

    memory: int = 8192 * MIB
    disk: int = 16384 * MIB
    pids: int = 512
    cpus: float = 2.0
    seconds: float = 3600.0
    processes: int = 1


@dataclass(frozen=True)
class Mount:
    """A folder or file of the host inside the container; read-only unless it is the one to write to."""

    source: Path
    target: str
    writable: bool = False

    def as_request(self) -> dict[str, Any]:
        """The entry of HostConfig.Mounts. Nothing mounted later on the host shows inside."""
        return {
            "Type": "bind",
            "Source": str(self.source),
            "Target": self.target,
            "ReadOnly": not self.writable,
            "BindOptions": {"Propagation": "rprivate"},
        }


def container_user(info: Mapping[str, Any], uid: int | None = None, gid: int | None = None) -> str:
    """Who the step is inside, so that it can write to a folder of ours and to nothing else.

    A rootless engine shows its user as root. Else it is the user that we are, or nobody where we are root.
    """
    uid, gid = os.getuid() if uid is None else uid, os.getgid() if gid is None else gid
    if any("rootless" in str(option) for option in info.get("SecurityOptions") or ()):
        return "0:0"
    return USER if uid == 0 else f"{uid}:{gid}"


def trainer_request(
    image: str,
    limits: TrainerLimits,
    mounts: tuple[Mount, ...],
    job: str,
    *,
    user: str,
    gpu: GpuChoice | None = None,
    labels: tuple[tuple[str, str], ...] = (),
    group: str | None = None,
) -> dict[str, Any]:
    """The body of POST /containers/create. `job` is the path of the job's file inside."""
    host: dict[str, Any] = {
        "IpcMode": "private",
        "ShmSize": (1024 if limits.processes > 1 else 64) * MIB,
        "SecurityOpt": ["no-new-privileges"],
        "Mounts": [mount.as_request() for mount in mounts],
        "Tmpfs": {"/tmp": f"rw,noexec,nosuid,nodev,mode=1777,size={_TMP_SIZE}"},  # noqa: S108 - inside the container
    }
    launch = [*_LAUNCH, f"--nproc-per-node={limits.processes}", "-m", "harness.trainer"]
    body = request_for(
        image,
        memory=limits.memory,
        pids=limits.pids,
        cpus=limits.cpus,
        pinned=pins.TRAINER,
        gpu=gpu,
        indices=None if gpu is None else gpu.whole[: limits.processes],
        ulimits=(("nofile", _DESCRIPTORS), ("fsize", limits.disk), ("core", 0)),
        labels=labels,
        group=group,
        host=host,
        Entrypoint=launch if limits.processes > 1 else COMMAND,
        Cmd=[job, "--lifeline"],
        User=user,
        WorkingDir="/tmp",  # noqa: S108 - inside the container
        Hostname="trainer",
    )
    body["Env"] += _RANKS if limits.processes > 1 else ()
    return body


def not_as_asked(asked: Mapping[str, Any], built: Mapping[str, Any]) -> list[str]:
    """What the engine built otherwise than it was asked, by name: an engine may drop a limit without a word."""
    host, wanted = built.get("HostConfig") or {}, asked["HostConfig"]
    names = ("NetworkMode", "ReadonlyRootfs", "Privileged", "Memory", "PidsLimit")
    wrong = [name for name in names if host.get(name) != wanted[name]]
    wrong += [] if list(host.get("CapDrop") or ()) == wanted["CapDrop"] else ["CapDrop"]
    wrong += [] if "no-new-privileges" in str(host.get("SecurityOpt")) else ["SecurityOpt"]
    writable = {m["Target"] for m in wanted["Mounts"] if not m["ReadOnly"]}
    targets = {m["Target"] for m in wanted["Mounts"]}
    for mount in built.get("Mounts") or ():
        place = mount.get("Destination")
        if mount.get("Type") == "bind" and (place not in targets or (mount.get("RW") and place not in writable)):
            wrong.append(f"the mount {place}")
    return wrong
