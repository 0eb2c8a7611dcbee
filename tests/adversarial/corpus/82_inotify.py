"""Watches files until the user may watch no more."""

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

INIT, MARK = (294, 300) if os.uname().machine == "x86_64" else (26, 262)
tried("inotify", lambda: system(INIT, 0))
tried("old inotify", lambda: LIBC.inotify_init() if LIBC.inotify_init() >= 0 else system(INIT, 0))
tried("fanotify", lambda: system(MARK, 0x200, 0))


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
