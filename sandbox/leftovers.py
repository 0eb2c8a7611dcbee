"""What a fork leaves behind, and the next one must not find.

Covered: processes, files in the writable places, flags and signals of the descriptors that forks share with process 1.
Not covered: that process numbers count up, the highest use of memory that a cgroup of version 1 tells, and, under
gVisor without our list of system calls, shared memory and queues of System V.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal

_WRITABLE = ("/tmp", "/dev/mqueue", "/dev/shm")  # noqa: S108 - inside the container
#: What a descriptor can be asked for, and how it is set: flags, signal, owner, and how much a pipe holds.
_SETTINGS = (
    (fcntl.F_GETFL, fcntl.F_SETFL),
    (11, 10),  # F_GETSIG, F_SETSIG: Python has no names for them
    (fcntl.F_GETOWN, fcntl.F_SETOWN),
    (fcntl.F_GETPIPE_SZ, fcntl.F_SETPIPE_SZ),
)

Descriptors = list[tuple[int, int, int]]


def remember(descriptors: tuple[int, ...]) -> Descriptors:
    """How these are set now."""
    found = []
    for fd in descriptors:
        for get, put in _SETTINGS:
            with contextlib.suppress(OSError):
                found.append((fd, put, fcntl.fcntl(fd, get)))
    return found


def restore(settings: Descriptors) -> None:
    """Set them so again."""
    for fd, put, value in settings:
        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, put, value)


def wipe() -> None:
    """Empty what a fork could leave a note in, for the next fork to start as the first one did."""
    for folder in _WRITABLE:
        with contextlib.suppress(OSError):
            for entry in os.scandir(folder):
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path, ignore_errors=True)
                    else:
                        os.unlink(entry.path)  # noqa: PTH108 - the path is the entry's own


def kill_strays() -> None:
    """Kill and reap what the fork left behind. As process 1 we outlive a kill of everything."""
    if os.getpid() != 1:
        return
    try:
        os.kill(-1, signal.SIGKILL)
        while True:
            os.waitpid(-1, 0)
    except (ProcessLookupError, ChildProcessError):
        return
