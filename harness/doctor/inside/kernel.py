"""A probe: the doors of the kernel's, and the ways out by network.

Covered: whether an attempt got through, as the error number that the kernel gave (0: it was done). Each
system call has arguments with which an ordinary, unconfined process would succeed, so that a refusal means
something. Not covered: what a refusal is worth; `harness/doctor/judge.py` knows what was asked for.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # inside, these stand in the text behind this one
    from harness.doctor.inside.answer import attempt, call  # noqa: TC004

_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x00020000
_FAMILIES = {"AF_UNIX": (1, 1), "AF_INET": (2, 1), "AF_INET6": (10, 1), "AF_NETLINK": (16, 3), "AF_PACKET": (17, 3)}
_FAMILIES |= {"AF_ALG": (38, 5), "AF_VSOCK": (40, 1)}


def _open(name: str, *arguments: Any) -> None:
    os.close(call(name, *arguments))


def _clone() -> None:
    child = call("clone", _NEW_USER | signal.SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _mount() -> None:
    attempt(call, "unshare", _NEW_MOUNTS)  # who made a user namespace is root in it, and may have own mounts
    call("mount", b"none", b"/tmp", b"tmpfs", 0, None)


#: What spoils the process that it succeeds in, in this order.
_SPOILING: dict[str, Any] = {
    "clone": _clone,
    "unshare": lambda: call("unshare", _NEW_USER),
    "mount": _mount,
    "ptrace": lambda: call("ptrace", 0, 0, 0, 0),
}


def _elsewhere() -> dict[str, int]:
    """Attempt what spoils in a process of its own; an attempt that it did not survive is -1."""
    findings, tell = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        for name, what in _SPOILING.items():
            os.write(tell, f"{name} {attempt(what)}\n".encode())
        os._exit(0)
    os.close(tell)
    with os.fdopen(findings, encoding="ascii") as file:
        told = dict(line.split() for line in file)
    os.waitpid(child, 0)
    return {name: int(told.get(name, -1)) for name in _SPOILING}


def _map_attributes() -> Any:
    """An array of one element, as bpf(BPF_MAP_CREATE) takes it."""
    return ctypes.create_string_buffer(b"".join(n.to_bytes(4, "little") for n in (2, 4, 4, 1)), 48)


def _clock_attributes() -> Any:
    """The task clock of this process, without the kernel's own part, as perf_event_open takes it."""
    head = (1).to_bytes(4, "little") + (112).to_bytes(4, "little") + (1).to_bytes(8, "little")
    return ctypes.create_string_buffer(head + bytes(24) + (0x60).to_bytes(8, "little"), 112)


def probe() -> dict[str, Any]:
    """The error number of each attempt, and what there is of a network."""
    return {"calls": system_calls(), "network": network()}


def system_calls() -> dict[str, int]:
    """The error number of each attempt at a door of the kernel's."""

    def open_socket(family: int, kind: int) -> None:
        socket.socket(family, kind).close()

    found = {name: attempt(open_socket, *numbers) for name, numbers in _FAMILIES.items()}
    found["keyctl"] = attempt(call, "keyctl", 0, -3, 0)
    found["add_key"] = attempt(call, "add_key", b"user", b"doctor", b"x", 1, -2)
    found["io_uring_setup"] = attempt(_open, "io_uring_setup", 1, ctypes.create_string_buffer(120))
    found["bpf"] = attempt(_open, "bpf", 0, _map_attributes(), 48)
    found["userfaultfd"] = attempt(_open, "userfaultfd", 1)
    found["perf_event_open"] = attempt(_open, "perf_event_open", _clock_attributes(), 0, -1, -1, 0)
    found |= _elsewhere()
    return found


def network() -> dict[str, Any]:
    """The interfaces that are there, and whether there is a way out: no packet is sent."""

    def leave() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
            way.connect(("192.0.2.1", 9))

    with open("/proc/net/dev", encoding="ascii") as file:  # noqa: PTH123 - plain tools are enough here
        names = [line.partition(":")[0].strip() for line in file.readlines()[2:]]
    up = [name for name in names if name != "lo" and _is_up(name)]
    return {"interfaces": names, "up": up, "leave": attempt(leave)}


def _is_up(name: str) -> bool:
    try:
        with open(f"/sys/class/net/{name}/flags", encoding="ascii") as file:  # noqa: PTH123 - see above
            return bool(int(file.read(), 0) & 1)
    except (OSError, ValueError):
        return True
