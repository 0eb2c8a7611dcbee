"""A probe: what the kernel counts once for the whole host, or once for all processes of a user.

Covered: whether one of each can be had, as the error number that the kernel gave (0: it was done), and how many
signals can be kept waiting. Nothing is used up: one of each is made, and given back. Not covered: what a refusal is
worth; `harness/doctor/judge.py` knows what was asked for.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import resource
import signal
from collections.abc import Callable  # noqa: TC003 - one import, and the text is read, not imported
from typing import Any

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long
#: Numbers of system calls: x86_64, aarch64.
_NUMBERS = {
    "epoll_create1": (291, 20),
    "fanotify_init": (300, 262),
    "inotify_init1": (294, 26),
    "io_setup": (206, 0),
    "mq_open": (240, 180),
    "msgget": (68, 186),
    "prlimit64": (302, 261),
    "semget": (64, 190),
    "shmget": (29, 194),
    "timer_create": (222, 107),
}
_CREATE, _RESIZE, _NOTIFY = 0o1000, 1031, 1026
_MONOTONIC = 1
_WAITING = 40
_MOST = 1024


def attempt(what: Any, *arguments: Any) -> int:
    """Call it; give 0 where it was done, else the error number, else -1."""
    try:
        what(*arguments)
    except OSError as error:
        return error.errno or -1
    except BaseException:  # noqa: BLE001 - an attempt has no third end
        return -1
    return 0


def _call(name: str, *arguments: Any) -> int:
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = int(_LIBC.syscall(ctypes.c_long(_NUMBERS[name][platform.machine() != "x86_64"]), *words))
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def _with_a_descriptor(what: Callable[[int], Any]) -> None:
    descriptor = os.open("/", os.O_RDONLY)
    try:
        what(descriptor)
    finally:
        os.close(descriptor)


def _terminal() -> None:
    os.close(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY))


def _queue() -> None:
    os.close(os.open("/dev/mqueue/harness-doctor", os.O_RDWR | os.O_CREAT))
    os.unlink("/dev/mqueue/harness-doctor")  # noqa: PTH108 - see `files`


def _drop() -> None:
    descriptor = os.open(os.__file__, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _resize() -> None:
    ends = os.pipe()
    try:
        fcntl.fcntl(ends[0], _RESIZE, 1 << 20)
    finally:
        os.close(ends[0])
        os.close(ends[1])


def _lock() -> None:
    descriptor = os.open("/tmp/harness-doctor-lock", os.O_RDWR | os.O_CREAT)  # noqa: S108 - inside
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
    finally:
        os.close(descriptor)


def _lock_whole() -> None:
    _with_a_descriptor(lambda one: fcntl.flock(one, fcntl.LOCK_SH | fcntl.LOCK_NB))


def _without_a_core() -> None:
    _call("prlimit64", 0, resource.RLIMIT_CORE, ctypes.create_string_buffer(16), None)


def waiting() -> int:
    """How many signals one process can keep waiting, up to MOST; they are gone with it."""
    ends = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        signal.pthread_sigmask(signal.SIG_BLOCK, {_WAITING})
        # tgkill: kill() tells nobody that there was no room.
        number = 234 if platform.machine() == "x86_64" else 131
        kept = 0
        while kept < _MOST and _LIBC.syscall(number, os.getpid(), os.getpid(), _WAITING) == 0:
            kept += 1
        os.write(ends[1], str(kept).encode())
        os._exit(0)
    os.close(ends[1])
    told = os.read(ends[0], 16)
    os.close(ends[0])
    os.waitpid(child, 0)
    return int(told or -1)


def probe() -> dict[str, Any]:
    """The error number of each attempt, and what there is of each."""
    return {
        "terminal": attempt(_terminal),
        "queue": attempt(_queue),
        "drop": attempt(_drop),
        "inotify_init1": attempt(_call, "inotify_init1", 0),
        "fanotify_init": attempt(_call, "fanotify_init", 0, 0),
        "epoll_create1": attempt(_call, "epoll_create1", 0),
        "notify": attempt(_with_a_descriptor, lambda one: fcntl.fcntl(one, _NOTIFY, fcntl.DN_CREATE)),
        "resize": attempt(_resize),
        "lock": attempt(_lock),
        "flock": attempt(_lock_whole),
        "core": attempt(_without_a_core),
        "core limit": resource.getrlimit(resource.RLIMIT_CORE)[1],
        "waiting": waiting(),
        "timer_create": attempt(_call, "timer_create", _MONOTONIC, None, ctypes.create_string_buffer(8)),
        "io_setup": attempt(_call, "io_setup", 1, ctypes.create_string_buffer(8)),
        "mq_open": attempt(_call, "mq_open", b"harness-doctor", os.O_RDWR | os.O_CREAT, 0o600, None),
        "shmget": attempt(_call, "shmget", 0, 4096, _CREATE),
        "semget": attempt(_call, "semget", 0, 1, _CREATE),
        "msgget": attempt(_call, "msgget", 0, _CREATE),
    }
