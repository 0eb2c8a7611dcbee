"""The end of every probe: what it attempts things with, and the function that the oracle calls.

Covered: the findings go back as the bytes of a JSON text, one number each, so that what is proved is the
very sandbox, wire and supervisor that candidates get.
"""

import ctypes
import json
import platform
from collections.abc import Callable
from typing import Any

#: Defined by the text that stands before this one.
probe: Callable[[], dict[str, Any]]

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long
#: Numbers of system calls: x86_64, aarch64.
NUMBERS = {
    "add_key": (248, 217),
    "bpf": (321, 280),
    "clone": (56, 220),
    "epoll_create1": (291, 20),
    "fanotify_init": (300, 262),
    "inotify_init1": (294, 26),
    "io_setup": (206, 0),
    "io_uring_setup": (425, 425),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "mq_open": (240, 180),
    "msgget": (68, 186),
    "perf_event_open": (298, 241),
    "prlimit64": (302, 261),
    "ptrace": (101, 117),
    "semget": (64, 190),
    "shmget": (29, 194),
    "tgkill": (234, 131),
    "timer_create": (222, 107),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}


def attempt(what: Any, *arguments: Any) -> int:
    """Call it; give 0 where it was done, else the error number, else -1."""
    try:
        what(*arguments)
    except OSError as error:
        return error.errno or -1
    except BaseException:  # noqa: BLE001 - an attempt has no third end
        return -1
    return 0


def call(name: str, *arguments: Any) -> int:
    """Make a system call by its number; raise OSError where it was refused."""
    number = NUMBERS[name][platform.machine() != "x86_64"]
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = int(_LIBC.syscall(ctypes.c_long(number), *words))
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def loss(
    policy_chosen_logps: Any,
    policy_rejected_logps: Any,  # noqa: ARG001 - the contract's arguments
    reference_chosen_logps: Any,  # noqa: ARG001 - the contract's arguments
    reference_rejected_logps: Any,  # noqa: ARG001 - the contract's arguments
    beta: float,  # noqa: ARG001 - the contract's arguments
) -> Any:
    """Answer with the findings: one byte of their JSON text a pair, filled up with spaces."""
    import torch  # noqa: PLC0415 - the sandbox has it, the host need not

    room = policy_chosen_logps.numel()
    text = json.dumps(probe()).encode("ascii").ljust(room)  # noqa: F821 - see above
    if len(text) > room:
        raise ValueError(f"the findings take {len(text)} bytes, and there is room for {room}")
    return torch.tensor(list(text), dtype=torch.float64)
