"""Processes by names that no other process ever has: who made something, and whether it is still there.

A name is `MACHINE:PID:STARTED`. A number alone is given again to others; a start time, in ticks since boot, is not.
MACHINE is the boot and the namespace of process numbers: in another one the same number means another process, so
nothing is said of a name from there.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path


@cache
def machine() -> str:
    """Where numbers of processes mean what they mean here: this boot of this host, in this namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    try:
        space = os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116 - what the link stands for, as a number
    except OSError:
        space = 0
    return f"{boot}.{space}"


def this() -> str:
    """The name of this process."""
    return f"{machine()}:{os.getpid()}:{_own_start(os.getpid())}"


@cache
def _own_start(pid: int) -> str:
    return start_time(pid)  # asked again after a fork


def start_time(pid: int) -> str:
    """When a process started, in clock ticks since boot; empty where there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state in {"Z", "X"} else fields[18]  # dead, and nobody has asked how it ended


def is_gone(name: str) -> bool:
    """Whether the process of that name is certainly dead. Of one on another machine nobody here knows."""
    where, _, rest = name.partition(":")
    pid, _, started = rest.partition(":")
    if where != machine() or not pid.isdigit() or not started.isdigit():
        return False
    return start_time(int(pid)) != started
