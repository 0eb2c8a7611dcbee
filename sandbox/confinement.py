"""What process 1 can see of its own confinement, before it has seen any candidate.

Covered: what the kernel says about this very process: who it is, what it may, what it is kept from, what
its cgroup allows where that can be seen. Not covered: whether any of it is right. The host knows what was
asked for and decides (`harness/containers/isolation.py`). Told once, with READY, and never asked for again: of
a process that has run a candidate nothing is believed.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import types

#: flags, seccomp mode, uid, gid, network interfaces; capabilities held and within reach; memory, swap,
#: processes, processor (billionths of one); descriptors, file size, core; size and inodes of /tmp.
FACTS = struct.Struct("<HBxIIH2x2Q9Q")
(
    NO_NEW_PRIVILEGES,
    ROOT_READ_ONLY,
    TMP_NOEXEC,
    TMP_NOSUID,
    TMP_NODEV,
    INET_SOCKET,
    GVISOR,
    REMAPPED,
    TERMINAL,
    QUEUES,
    PINNED,
) = (1 << bit for bit in range(11))
ALL_FLAGS = 0x7FF
#: Instead of a number: there is no limit; nothing could be seen.
UNLIMITED, UNSEEN = (1 << 64) - 2, (1 << 64) - 1
UNSEEN_MODE, UNSEEN_COUNT = 0xFF, 0xFFFF

#: What is asked of MKL, and its answer where all processors compute alike.
_BRANCH, _COMPATIBLE = 1, 3
_AF_INET, _SOCK_STREAM = 2, 1
_READ_ALL = 3
_UP = 1
#: Where a cgroup of version 1 says "no limit", it says a number near this.
_HUGE = 1 << 62
_CGROUP = "/sys/fs/cgroup/"
#: What every gVisor of these years answers to uname, whatever the host's kernel is.
_GVISOR_BUILD = "#1 SMP Sun Jan 10 15:06:54 PST 2016"


def facts() -> bytes:
    """Look, and pack what was seen."""
    libc = ctypes.CDLL(None)
    status = _status()
    held = [_number(status.get(name, ""), 16) for name in ("CapInh", "CapPrm", "CapEff")]
    held.append(_number(status.get("CapAmb", "0"), 16))  # gVisor has none
    options = _mount_options()
    flags = NO_NEW_PRIVILEGES * (status.get("NoNewPrivs") == "1")
    flags |= ROOT_READ_ONLY * ("ro" in options.get("/", ()))
    for bit, word in ((TMP_NOEXEC, "noexec"), (TMP_NOSUID, "nosuid"), (TMP_NODEV, "nodev")):
        flags |= bit * (word in options.get("/tmp", ()))  # noqa: S108 - inside the container
    flags |= INET_SOCKET * _can_make_a_socket(libc) | GVISOR * _is_gvisor(libc) | REMAPPED * _is_remapped()
    flags |= TERMINAL * _can_open("/dev/ptmx") | QUEUES * os.access("/dev/mqueue", os.W_OK)
    mode = _number(status.get("Seccomp", ""))
    tmp = os.statvfs("/tmp")  # noqa: S108 - inside the container
    return FACTS.pack(
        flags,
        min(mode, UNSEEN_MODE),
        os.getuid(),
        os.getgid(),
        _interfaces(),
        UNSEEN if UNSEEN in held else held[0] | held[1] | held[2] | held[3],
        _number(status.get("CapBnd", ""), 16),
        *_cgroup(),
        *(_hard(which) for which in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE)),
        tmp.f_blocks * tmp.f_frsize,
        tmp.f_files,
    )


def with_pins(facts: bytes, torch: types.ModuleType) -> bytes:
    """The facts, with whether numbers are computed with the same instructions as on every other processor.

    What torch and MKL say, and not what the environment asked them for; of glibc and oneDNN that is all there is.
    """
    library = ctypes.CDLL(f"{os.path.dirname(str(torch.__file__))}/lib/libtorch_cpu.so")  # noqa: PTH120 - see _read
    mode = getattr(library, "mkl_serv_cbwr_get", lambda _: _COMPATIBLE)
    asked = all(os.environ.get(name) for name in ("ONEDNN_MAX_CPU_ISA", "GLIBC_TUNABLES"))
    holds = asked and torch._C._get_cpu_capability() == "DEFAULT" and mode(_BRANCH) == _COMPATIBLE  # noqa: SLF001
    number = int.from_bytes(facts[:2], "little") | PINNED * holds
    return number.to_bytes(2, "little") + facts[2:]


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - pathlib would be imported for this alone
            return file.read()
    except OSError:
        return None


def _number(text: str, base: int = 10) -> int:
    try:
        return int(text, base)
    except ValueError:
        return UNSEEN


def _status() -> dict[str, str]:
    pairs = (line.partition(":") for line in (_read("/proc/self/status") or "").splitlines())
    return {name: value.strip() for name, _, value in pairs}


def _mount_options() -> dict[str, list[str]]:
    """Options of every mount by its place; what was mounted last stands on top."""
    lines = (line.split() for line in (_read("/proc/self/mountinfo") or "").splitlines())
    return {words[4]: words[5].split(",") for words in lines if len(words) > 5}


def _can_make_a_socket(libc: ctypes.CDLL) -> bool:
    made: int = libc.socket(_AF_INET, _SOCK_STREAM, 0)
    if made >= 0:
        os.close(made)
    return made >= 0


def _can_open(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _is_gvisor(libc: ctypes.CDLL) -> bool:
    """Whether the kernel is gVisor's own.

    It says so in its log, which no other kernel lets us read here; where our list of system calls holds inside it too,
    the log is closed, and the build that it claims to be has to do.
    """
    kernel = os.uname()
    if "gvisor" in kernel.release.lower() or kernel.version == _GVISOR_BUILD:
        return True
    log = ctypes.create_string_buffer(1 << 14)
    size: int = libc.klogctl(_READ_ALL, log, len(log))
    return size > 0 and b"Starting gVisor" in log.raw[:size]


def _is_remapped() -> bool:
    """Whether root inside is another user outside."""
    words = (_read("/proc/self/uid_map") or "").split()
    return bool(words) and words != ["0", "0", "4294967295"]


def _interfaces() -> int:
    """Network interfaces besides lo that are up; where that cannot be told, all of them."""
    try:
        names = [name for name in os.listdir("/sys/class/net") if name != "lo"]  # noqa: PTH208 - see _read
    except OSError:
        names = []
    if names:
        return sum(_number(_read(f"/sys/class/net/{name}/flags") or "1", 0) & _UP for name in names)
    listed = _read("/proc/net/dev")
    if listed is None:
        return UNSEEN_COUNT
    # Two lines of headings.
    return sum(line.partition(":")[0].strip() != "lo" for line in listed.splitlines()[2:])


def _cgroup() -> tuple[int, int, int, int]:
    """Limits of memory, of swap beyond it, of processes and of processor, from cgroup v2, else v1."""
    memory = _limit("memory.max", "memory/memory.limit_in_bytes")
    swap = _limit("memory.swap.max")
    if swap == UNSEEN:
        both = _limit("memory/memory.memsw.limit_in_bytes")
        swap = both if UNLIMITED in {both, memory} or UNSEEN in {both, memory} else max(0, both - memory)
    return memory, swap, _limit("pids.max", "pids/pids.max"), _processor()


def _limit(*names: str) -> int:
    for name in names:
        text = _read(_CGROUP + name)
        if text is not None:
            number = UNLIMITED if text.strip() == "max" else _number(text.strip())
            return number if number >= UNLIMITED else UNLIMITED if number >= _HUGE else max(0, number)
    return UNSEEN


def _processor() -> int:
    words = (_read(_CGROUP + "cpu.max") or "").split()
    if not words:
        words = [(_read(_CGROUP + f"cpu/cpu.cfs_{name}_us") or "").strip() for name in ("quota", "period")]
    if words[0] in {"max", "-1"}:
        return UNLIMITED
    quota, period = (_number(word) for word in (*words, "")[:2])
    return UNSEEN if UNSEEN in {quota, period} or quota < 0 or period <= 0 else quota * 1_000_000_000 // period


def _hard(which: int) -> int:
    hard = resource.getrlimit(which)[1]
    return UNLIMITED if hard == resource.RLIM_INFINITY else hard
