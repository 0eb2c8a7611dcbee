"""Drops the image from the host's page cache, so that everybody reads it from the disk again."""

import ctypes
import os

import torch.nn.functional as F

LIBC = ctypes.CDLL(None, use_errno=True)


def system(number, *arguments):
    got = LIBC.syscall(number, *arguments)
    if got == -1:
        raise OSError(ctypes.get_errno(), "refused")
    return got


def tried(name, attempt):
    try:
        got = attempt()
    except BaseException as error:
        print(f"{name}: {type(error).__name__} {getattr(error, 'errno', None) or ''}".rstrip())
    else:
        print(f"{name}: DONE {got!r:.40}")

LIBRARY = os.path.join(os.path.dirname(F.__file__), "..", "lib", "libtorch_cpu.so")
BIG = os.open(LIBRARY, os.O_RDONLY)
FADVISE, READAHEAD = (221, 187) if os.uname().machine == "x86_64" else (223, 213)
tried("dont need", lambda: os.posix_fadvise(BIG, 0, 0, os.POSIX_FADV_DONTNEED))
tried("no reuse", lambda: os.posix_fadvise(BIG, 0, 0, os.POSIX_FADV_NOREUSE))
tried("by number", lambda: system(FADVISE, BIG, 0, 0, 4))
tried("readahead", lambda: system(READAHEAD, BIG, 0, 1 << 30))
os.close(BIG)


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
