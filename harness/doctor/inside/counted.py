"""A probe: what the kernel counts once for the whole host, or once for all processes of a user.

Covered: whether one of each can be had, as the error number that the kernel gave (0: it was done), and how many
signals can be kept waiting. Nothing is used up: one of each is made, and given back. Not covered: what a refusal is
worth; `harness/doctor/judge.py` knows what was asked for.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
from collections.abc import Callable  # noqa: TC003 - one import, and the text is read, not imported
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # inside, these stand in the text behind this one
    from harness.doctor.inside.answer import attempt, call  # noqa: TC004

_CREATE, _RESIZE, _NOTIFY = 0o1000, 1031, 1026
_MONOTONIC = 1
_WAITING = 40
_MOST = 1024


def _with_a_descriptor(what: Callable[[int], Any], path: str = "/", flags: int = os.O_RDONLY) -> None:
    descriptor = os.open(path, flags)
    try:
        what(descriptor)
    finally:
        os.close(descriptor)


def _terminal() -> None:
    os.close(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY))


def _queue() -> None:
    os.close(os.open("/dev/mqueue/harness-doctor", os.O_RDWR | os.O_CREAT))
    os.unlink("/dev/mqueue/harness-doctor")  # noqa: PTH108 - see `files`


def _drop(descriptor: int) -> None:
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _resize() -> None:
    ends = os.pipe()
    try:
        fcntl.fcntl(ends[0], _RESIZE, 1 << 20)
    finally:
        os.close(ends[0])
        os.close(ends[1])


def _lock() -> None:
    path, flags = "/tmp/harness-doctor-lock", os.O_RDWR | os.O_CREAT  # noqa: S108 - inside
    _with_a_descriptor(lambda one: fcntl.lockf(one, fcntl.LOCK_EX | fcntl.LOCK_NB, 1), path, flags)


def waiting() -> int:
    """How many signals one process can keep waiting, up to MOST; they are gone with it."""
    ends = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        signal.pthread_sigmask(signal.SIG_BLOCK, {_WAITING})
        # tgkill: kill() tells nobody that there was no room.
        kept = 0
        while kept < _MOST and attempt(call, "tgkill", os.getpid(), os.getpid(), _WAITING) == 0:
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
        "drop": attempt(_with_a_descriptor, _drop, os.__file__),
        "inotify_init1": attempt(call, "inotify_init1", 0),
        "fanotify_init": attempt(call, "fanotify_init", 0, 0),
        "epoll_create1": attempt(call, "epoll_create1", 0),
        "notify": attempt(_with_a_descriptor, lambda one: fcntl.fcntl(one, _NOTIFY, fcntl.DN_CREATE)),
        "resize": attempt(_resize),
        "lock": attempt(_lock),
        "flock": attempt(_with_a_descriptor, lambda one: fcntl.flock(one, fcntl.LOCK_SH | fcntl.LOCK_NB)),
        "core": attempt(call, "prlimit64", 0, resource.RLIMIT_CORE, ctypes.create_string_buffer(16), None),
        "core limit": resource.getrlimit(resource.RLIMIT_CORE)[1],
        "waiting": waiting(),
        "timer_create": attempt(call, "timer_create", _MONOTONIC, None, ctypes.create_string_buffer(8)),
        "io_setup": attempt(call, "io_setup", 1, ctypes.create_string_buffer(8)),
        "mq_open": attempt(call, "mq_open", b"harness-doctor", os.O_RDWR | os.O_CREAT, 0o600, None),
        "shmget": attempt(call, "shmget", 0, 4096, _CREATE),
        "semget": attempt(call, "semget", 0, 1, _CREATE),
        "msgget": attempt(call, "msgget", 0, _CREATE),
    }
