"""The exact request for a sandbox container, as the engine's API spells it.

A pure function, so that a test can hold every limit against the request that would go to the engine.
"""

from __future__ import annotations

import importlib.resources
import json
from functools import cache
from typing import TYPE_CHECKING, Any

from harness.containers.devices import GPU_ENVIRONMENT
from harness.core import processes

if TYPE_CHECKING:
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
#: Folders of the engine's in which things are made that are counted once for the whole host: terminals, and queues that
#: a user has. An empty folder that cannot be written lies over each. (Pseudo-terminals: `kernel.pty.max`.)
COVERED = ("/dev/pts", "/dev/mqueue")
#: What the kernel counts by user, and all sandboxes are one user: this one process may not go beyond. A core of 1 byte
#: is what keeps the kernel from handing a crash to a program of the host's (`kernel.core_pattern`); 0 does not.
COUNTED = (("core", 1), ("msgqueue", 0), ("sigpending", 256))
#: What a sandbox may read a second from the host's disk, where it is known: bytes, requests.
DISK_BYTES, DISK_REQUESTS = 100 << 20, 4000
#: The name of this process, which stands behind that label.
owner = processes.this
#: Runtimes whose processes are the host's, one for one.
_SHARE_THE_KERNEL = (None, "", "runc", "crun", "io.containerd.runc.v2")
#: Tasks of the host that one process in gVisor may stand for, those of the kernel itself included.
_GVISOR_TASKS = 8


@cache
def seccomp_profile(variant: str, *, by_path: bool = False) -> str:
    """Seccomp allow-list of an image variant: compact JSON, or the path of the file that Podman wants."""
    name = "seccomp-cuda.json" if variant == "cuda" else "seccomp.json"
    file = importlib.resources.files("harness.dockerfiles").joinpath(name)
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


def environment(gpu: GpuChoice | None, indices: tuple[int, ...] | None = None) -> list[str]:
    """The environment of a container of ours, as the engine takes it: nothing of the host's own is in there.

    `indices` are the GPUs that it gets, where that is not the first one alone.
    """
    out = dict(ENVIRONMENT)
    if gpu is not None:
        out |= GPU_ENVIRONMENT
        if gpu.method == "gpus":
            out["NVIDIA_VISIBLE_DEVICES"] = ",".join(map(str, indices or (gpu.index,)))
    return [f"{name}={value}" for name, value in out.items()]


def container_request(
    image: str,
    limits: Limits,
    *,
    variant: str = "cpu",
    gpu: GpuChoice | None = None,
    runtime: str | None = None,
    podman: bool = False,
    disk: str | None = None,
    labels: tuple[tuple[str, str], ...] = (),
) -> dict[str, Any]:
    """The body of POST /containers/create; `labels` stand beside those that every sandbox has.

    `disk` is the device that the engine keeps its data on, where that is known and can be limited.
    """
    host: dict[str, Any] = {
        "NetworkMode": "none",
        "IpcMode": "none",
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "Privileged": False,
        "SecurityOpt": ["no-new-privileges", f"seccomp={seccomp_profile(variant, by_path=podman)}"],
        "Memory": limits.memory,
        "MemorySwap": limits.memory,
        "PidsLimit": pids_limit(limits, runtime),
        "NanoCpus": int(limits.cpus * 1_000_000_000),
        "OomKillDisable": False,
        "Ulimits": [
            {"Name": "nofile", "Soft": limits.descriptors, "Hard": limits.descriptors},
            {"Name": "fsize", "Soft": limits.file_size, "Hard": limits.file_size},
            {"Name": "memlock", "Soft": 65536, "Hard": 65536},
            *({"Name": name, "Soft": most, "Hard": most} for name, most in COUNTED),
        ],
        "Tmpfs": _tmpfs(limits, podman=podman),
        "LogConfig": {"Type": "none", "Config": {}},
        "AutoRemove": False,
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "Init": False,
    }
    if podman:
        # Its own default may be more than this host allows. Counted over all sandboxes of the host, so not small.
        host["Ulimits"].append({"Name": "nproc", "Soft": 4096, "Hard": 4096})
    if disk is not None:
        host["BlkioDeviceReadBps"] = [{"Path": disk, "Rate": DISK_BYTES}]
        host["BlkioDeviceReadIOps"] = [{"Path": disk, "Rate": DISK_REQUESTS}]
    if gpu is not None:
        host["DeviceRequests"] = [gpu.device_request()]
    if runtime is not None:
        host["Runtime"] = runtime
    return {
        "Image": image,
        "Entrypoint": COMMAND,
        "Cmd": [],
        "Env": environment(gpu),
        "User": USER,
        "WorkingDir": "/",
        "Hostname": "sandbox",
        "NetworkDisabled": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": False,
        "Healthcheck": {"Test": ["NONE"]},
        "Labels": {**dict(labels), LABEL: "1", OWNER_LABEL: owner()},
        "HostConfig": host,
    }
