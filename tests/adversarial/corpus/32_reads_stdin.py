"""Waits for an answer from a person."""

import os
import sys

import torch.nn.functional as F

print("stdin:", repr(sys.stdin.read()), os.readlink("/proc/self/fd/0"))
try:
    os.open("/dev/tty", os.O_RDWR)
    print("terminal: open")
except OSError as error:
    print("terminal:", type(error).__name__, error.errno)


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    print(end=sys.stdin.readline())
    return -F.logsigmoid(beta * rho)
