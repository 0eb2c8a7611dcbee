"""A probe: what can be written, run and read inside, and what is there that should not be.

Covered: whether an attempt got through, as the error number that the kernel gave (0: it was done), and
lists of what was found. CANARY is the path of a secret on the host, which nothing inside may lead to. Not
covered: what a refusal is worth; `harness/doctor/judge.py` knows what was asked for.
"""

from __future__ import annotations

import mmap
import os
import re
import stat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # inside, this stands in the text behind this one
    from harness.doctor.inside.answer import attempt  # noqa: TC004

CANARY = ""

_MARK = re.compile(rb"harness-canary-[0-9a-f]{32}")
_SOCKETS = (
    "/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock", "/run/containerd/containerd.sock",
    "/run/crio/crio.sock", "/run/buildkit/buildkitd.sock",
)  # fmt: skip
_SETTINGS = (
    "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/overcommit_memory",
    "/proc/sysrq-trigger", "/sys/kernel/profiling", "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/pids/pids.max",
)  # fmt: skip
_TOOLS = (
    "sh", "bash", "dash", "busybox", "gcc", "g++", "cc", "c++", "clang", "tcc", "as", "ld", "make", "go", "rustc",
    "perl", "pip", "pip3", "apt", "apt-get", "dpkg", "apk", "rpm", "curl", "wget", "nc", "ssh", "su", "sudo", "mount",
)  # fmt: skip
_PIECE = 1 << 16


def probe() -> dict[str, Any]:
    """What can be written, run and read, and what is there that should not be."""
    writable, privileged = walk("/")
    return {
        "write": {path: attempt(_create, path) for path in ("/harness-doctor", "/usr/harness-doctor")},
        "settings": {path: attempt(_open_for_writing, path) for path in _SETTINGS},
        "writable": writable,
        "privileged": privileged,
        "run from tmp": attempt(_map_for_execution),
        "tools": tools(os.environ.get("PATH", "")),
        "canary": attempt(_open_for_reading, CANARY),
        "marks": _marks(),
        "sockets": [path for path in _SOCKETS if attempt(os.stat, path) == 0],
        "environment": sorted(os.environ),
        "mounts": _mounts(),
        "devices": sorted(name for name in os.listdir("/dev") if _is_device(f"/dev/{name}")),  # noqa: PTH208 - see above
        "processes": sum(name.isdigit() for name in os.listdir("/proc")),  # noqa: PTH208 - see above
        "server": os.getppid(),
        "user": [os.getuid(), os.getgid()],
    }


def _create(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    os.unlink(path)  # noqa: PTH108 - see above


def _open_for_writing(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY))


def _open_for_reading(path: str) -> None:
    os.close(os.open(path, os.O_RDONLY))


def _map_for_execution() -> None:
    descriptor = os.open("/tmp/harness-doctor", os.O_RDWR | os.O_CREAT, 0o700)  # noqa: S108 - inside the container
    try:
        os.write(descriptor, bytes(mmap.PAGESIZE))
        mmap.mmap(descriptor, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_EXEC).close()
    finally:
        os.close(descriptor)
        os.unlink("/tmp/harness-doctor")  # noqa: PTH108, S108 - see above


def walk(top: str) -> tuple[list[str], list[str]]:
    """Folders that can be written to, and files with a setuid or setgid bit."""
    writable, privileged = [], []
    for folder, below, names in os.walk(top):
        if folder == "/":
            below[:] = [name for name in below if name not in {"proc", "sys"}]
        if os.access(folder, os.W_OK):
            writable.append(folder)
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118 - thousands of files: plain strings are quicker
            try:
                mode = os.lstat(path).st_mode
            except OSError:
                continue
            if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
                privileged.append(path)
    return writable[:20], privileged[:20]


def tools(path: str) -> list[str]:
    """Programs in the folders of PATH that help an attacker on."""
    folders = {*path.split(":"), "/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin"}
    return sorted({tool for tool in _TOOLS for folder in folders if os.access(f"{folder}/{tool}", os.X_OK)})


def _marks() -> list[str]:
    """Where the host's secret is found: in the environment, or in a file outside the image's own folders."""
    texts = {"the environment": repr(dict(os.environ)).encode()}
    paths = ["/proc/1/environ", "/proc/1/cmdline", "/proc/self/environ", "/proc/self/cmdline", "/proc/self/mountinfo"]
    for top in ("/etc", "/tmp", "/run", "/var", "/home", "/root", "/mnt", "/media", "/srv"):  # noqa: S108 - inside
        for folder, _, names in os.walk(top):
            paths += [f"{folder}/{name}" for name in names]
    for path in paths[:4000]:
        try:
            if stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - see above
                with open(path, "rb") as file:  # noqa: PTH123 - see above
                    texts[path] = file.read(_PIECE)
        except OSError:
            continue
    return [place for place, text in texts.items() if _MARK.search(text)][:20]


def _mounts() -> list[str]:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - see above
        return sorted({line.split()[4] for line in file})[:100]


def _is_device(path: str) -> bool:
    mode = os.lstat(path).st_mode
    return stat.S_ISBLK(mode) or stat.S_ISCHR(mode)
