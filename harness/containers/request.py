"""What a sandbox is made of, and the exact request for its container, as the engine's API spells it.

A pure function, so that a test can hold every limit against the request that would go to the engine.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.containers.devices import GPU_ENVIRONMENT
from harness.core import pins, processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from harness.containers.devices import GpuChoice
    from harness.core.limits import Limits

#: The engine starts exactly this; what the image says about it does not matter.
#: No -I: the seed of str hashes has to be settled, so that the order of a set is the same in every run.
#: -u: what a candidate printed is there also when its process ends without flushing.
COMMAND = ["python3", "-s", "-P", "-B", "-u", "-m", "sandbox"]
ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "HOME": "/tmp",  # noqa: S108 - inside the container
}
USER = "65532:65532"
LABEL = "harness.sandbox"
OWNER_LABEL = "harness.owner"
#: What is started before anybody needs it has this one, and is known by its name from when it was taken.
AHEAD_LABEL = "harness.ahead"
#: Folders of the engine's in which things are made that are counted once for the whole host: terminals, and queues that
#: a user has. An empty folder that cannot be written lies over each. (Pseudo-terminals: `kernel.pty.max`.)
COVERED = ("/dev/pts", "/dev/mqueue")
#: What the kernel counts by user, and all sandboxes are one user: this one process may not go beyond. A core of 1 byte
#: is what keeps the kernel from handing a crash to a program of the host's (`kernel.core_pattern`); 0 does not.
COUNTED = (("core", 1), ("msgqueue", 0), ("sigpending", 256))
#: What a sandbox may read a second from the host's disk, where it is known: bytes, requests.
DISK_BYTES, DISK_REQUESTS = 100 << 20, 4000
#: By path: `importlib.resources` would be imported for this alone.
_DOCKERFILES = Path(__file__).parents[1] / "dockerfiles"
#: The name of this process, which stands behind that label.
owner = processes.this
#: How the name of a container begins that was handed over to another process than the one that made it.
_TAKEN = "harness-taken-"
#: Runtimes whose processes are the host's, one for one.
_SHARE_THE_KERNEL = (None, "", "runc", "crun", "io.containerd.runc.v2")
#: Tasks of the host that one process in gVisor may stand for, those of the kernel itself included.
_GVISOR_TASKS = 8


def name_for_taker(container: str) -> str:
    """The name that says that a container belongs to this process from now on: a label cannot be changed."""
    return f"{_TAKEN}{owner().replace(':', '_')}_{container[:12]}"


def taker_of(name: str) -> str:
    """The name of the process that took a container, by the container's name; empty where nobody has."""
    _, mark, rest = name.partition(_TAKEN)
    return rest.rpartition("_")[0].replace("_", ":") if mark else ""


def owner_of(listed: Mapping[str, Any]) -> str:
    """The name of the process that a container belongs to, by the engine's list of containers."""
    taker = next((found for name in listed.get("Names") or () if (found := taker_of(str(name)))), "")
    return taker or str((listed.get("Labels") or {}).get(OWNER_LABEL, ""))


@dataclass(frozen=True)
class Recipe:
    """What a sandbox is made of: image, limits, GPU, runtime and disk. `labels` say whose it is."""

    image: str
    limits: Limits
    variant: str = "cpu"
    gpu: GpuChoice | None = None
    runtime: str | None = None
    podman: bool = False
    #: The device that the engine keeps its data on, where reads from it can be limited (`harness.containers.devices`).
    disk: str | None = None
    #: The control group that it lies in (`harness.containers.cgroup`), where that is not the engine's to choose.
    group: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    #: Asked while anything is waited for; what waits then ends with StoppedError.
    stopping: Callable[[], bool] = lambda: False
    #: Asked, with the engine and this, for a container of this recipe that is running and was never used, before one is
    #: made: a `harness.containers.started.Started`, or None. Both types are above this one.
    supply: Callable[[Any, Recipe], Any] | None = None


def name_of(label: tuple[str, str]) -> str:
    """What the name of a container begins with that was taken by somebody who would have given it this label."""
    return f"harness-{hashlib.sha256('='.join(label).encode()).hexdigest()[:20]}-"


@cache
def seccomp_profile(variant: str, *, by_path: bool = False) -> str:
    """Seccomp allow-list of an image variant: compact JSON, or the path of the file that Podman wants."""
    name = "seccomp-cuda.json" if variant == "cuda" else "seccomp.json"
    file = _DOCKERFILES / name
    return str(file) if by_path else json.dumps(json.loads(file.read_text("utf-8")), separators=(",", ":"))


def pids_limit(limits: Limits, runtime: str | None) -> int:
    """What the engine counts processes against. gVisor's own threads, and its stubs for each process, count as well."""
    return limits.pids if runtime in _SHARE_THE_KERNEL else limits.pids * _GVISOR_TASKS


def _tmpfs(limits: Limits, *, podman: bool) -> dict[str, str]:
    """The one writable place, and the covered ones. Podman knows no limit on inodes; there the size alone holds."""
    options = f"rw,noexec,nosuid,nodev,mode=1777,size={limits.tmp_size}"
    options = options if podman else f"{options},nr_inodes={limits.tmp_inodes}"
    covered = dict.fromkeys(COVERED, "ro,noexec,nosuid,nodev,mode=0555,size=4096")
    return {"/tmp": options, **covered}  # noqa: S108 - inside the container


def environment(gpu: GpuChoice | None, pinned: Mapping[str, str], indices: tuple[int, ...] | None = None) -> list[str]:
    """The environment of a container of ours, as the engine takes it: nothing of the host's own is in there.

    `pinned` is one of `harness.core.pins`; `indices` are the GPUs that it gets, where that is not the first one alone.
    """
    out = {**ENVIRONMENT, **pinned}
    if gpu is not None:
        out |= GPU_ENVIRONMENT
        if gpu.method == "gpus":
            out["NVIDIA_VISIBLE_DEVICES"] = ",".join(map(str, indices or (gpu.index,)))
    return [f"{name}={value}" for name, value in out.items()]


def request_for(
    image: str,
    *,
    memory: int,
    pids: int,
    cpus: float,
    pinned: Mapping[str, str],
    gpu: GpuChoice | None,
    indices: tuple[int, ...] | None = None,
    ulimits: Iterable[tuple[str, int]],
    labels: tuple[tuple[str, str], ...],
    group: str | None,
    host: dict[str, Any],
    **body: Any,
) -> dict[str, Any]:
    """The body of POST /containers/create, as all containers of ours have it, with `host` and `body` of one's own.

    There is no network, no capability and no root that can be written, and the standard streams are ours. `pinned` and
    `indices` are as in `environment`; `labels` stand beside those that every container of ours has.
    """
    settings: dict[str, Any] = {
        "NetworkMode": "none",
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "Privileged": False,
        "Memory": memory,
        "MemorySwap": memory,
        "PidsLimit": pids,
        "NanoCpus": int(cpus * 1_000_000_000),
        "OomKillDisable": False,
        "Ulimits": [{"Name": name, "Soft": most, "Hard": most} for name, most in ulimits],
        "LogConfig": {"Type": "none", "Config": {}},
        "AutoRemove": False,
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "Init": False,
    }
    if group is not None:
        settings["CgroupParent"] = group
    if gpu is not None:
        settings["DeviceRequests"] = [gpu.device_request(indices)]
    return {
        "Image": image,
        "Env": environment(gpu, pinned, indices),
        "NetworkDisabled": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": False,
        "Healthcheck": {"Test": ["NONE"]},
        "Labels": {**dict(labels), LABEL: "1", OWNER_LABEL: owner()},
        "HostConfig": settings | host,
        **body,
    }


def container_request(recipe: Recipe) -> dict[str, Any]:
    """The request for a sandbox."""
    limits, podman = recipe.limits, recipe.podman
    ulimits = [("nofile", limits.descriptors), ("fsize", limits.file_size), ("memlock", 65536), *COUNTED]
    if podman:
        # Its own default may be more than this host allows. Counted over all sandboxes of the host, so not small.
        ulimits.append(("nproc", 4096))
    profile = seccomp_profile(recipe.variant, by_path=podman)
    host: dict[str, Any] = {
        "IpcMode": "none",
        "SecurityOpt": ["no-new-privileges", f"seccomp={profile}"],
        "Tmpfs": _tmpfs(limits, podman=podman),
    }
    if recipe.disk is not None:
        host["BlkioDeviceReadBps"] = [{"Path": recipe.disk, "Rate": DISK_BYTES}]
        host["BlkioDeviceReadIOps"] = [{"Path": recipe.disk, "Rate": DISK_REQUESTS}]
    if recipe.runtime is not None:
        host["Runtime"] = recipe.runtime
    return request_for(
        recipe.image,
        memory=limits.memory,
        pids=pids_limit(limits, recipe.runtime),
        cpus=limits.cpus,
        pinned=pins.SANDBOX,
        gpu=recipe.gpu,
        ulimits=ulimits,
        labels=recipe.labels,
        group=recipe.group,
        host=host,
        Entrypoint=COMMAND,
        Cmd=[],
        User=USER,
        WorkingDir="/",
        Hostname="sandbox",
    )
