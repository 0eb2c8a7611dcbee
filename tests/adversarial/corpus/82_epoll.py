"""Waits for descriptors in sets of sets, whose number a user shares."""

import ctypes
import os
import select

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

def sets():
    held = [select.epoll() for _ in range(4)]
    ends = os.pipe()
    for one in held:
        one.register(ends[0])
    for one in held:
        one.close()
    return len(held)


CREATE, OLD = (291, 213) if os.uname().machine == "x86_64" else (20, 20)
tried("epoll", sets)
tried("by number", lambda: system(CREATE, 0))
tried("old", lambda: system(OLD, 8))


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
