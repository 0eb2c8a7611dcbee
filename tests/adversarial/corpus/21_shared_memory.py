"""Takes memory that belongs to no process: shared memory in each of its kinds."""

import ctypes
import os

import torch.nn.functional as F

def attempt(what, action):
    try:
        print(what + ":", action())
    except BaseException as error:
        print(what + ":", type(error).__name__, getattr(error, "errno", None))


LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.shmat.restype = ctypes.c_void_p
LIBC.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
LIBC.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
SIZE = 1 << 28


def checked(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def segments():
    for _ in range(8):
        LIBC.memset(LIBC.shmat(checked(LIBC.shmget(0, SIZE, 0o600)), None, 0), 1, SIZE)


def file_in_memory():
    with open(os.memfd_create("pool"), "wb", buffering=0) as file:
        while file.tell() < 1 << 33:
            file.write(bytes(1 << 24))


attempt("shmget", segments)
attempt("memfd_create", file_in_memory)
attempt("shm_open", lambda: checked(LIBC.shm_open(b"/pool", os.O_CREAT | os.O_RDWR, 0o600)))


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
