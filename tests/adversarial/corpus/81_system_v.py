"""Makes shared memory, semaphores and queues of System V, which outlive whoever made them."""

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


SHARED, SEMAPHORES, QUEUES = (29, 64, 68) if os.uname().machine == "x86_64" else (194, 190, 186)
tried("shared memory", lambda: system(SHARED, 4711, ctypes.c_long(1 << 20), 0o1600))
tried("semaphores", lambda: system(SEMAPHORES, 4711, 250, 0o1600))
tried("queue", lambda: system(QUEUES, 4711, 0o1600))
tried("private memory", lambda: system(SHARED, 0, ctypes.c_long(4096), 0o1600))
tried("private semaphore", lambda: system(SEMAPHORES, 0, 1, 0o1600))


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
