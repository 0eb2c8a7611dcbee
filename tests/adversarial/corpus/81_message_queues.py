"""Makes message queues in the folder for them until the user has no room for another."""

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

def queues():
    for number in range(8):
        os.close(os.open(f"/dev/mqueue/note{number}", os.O_RDWR | os.O_CREAT, 0o600))
    return number


OPEN, GET = (240, 68) if os.uname().machine == "x86_64" else (180, 186)
tried("by file", queues)
tried("by name", lambda: system(OPEN, b"note", os.O_RDWR | os.O_CREAT, 0o600, None))
tried("System V", lambda: system(GET, 4711, 0o1600))


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
