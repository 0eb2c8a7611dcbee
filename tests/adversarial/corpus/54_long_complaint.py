"""Complains at a length that its own cap forbids, and names a line of the file that does not exist."""

import struct
import sys

import torch.nn.functional as F

WORKER = sys.modules["sandbox.worker"]
WORKER._answer = lambda call, payload: bytes([1]) + struct.pack("<IHI", 0xFFFFFFFF, 4, 5000) + b"Ouch" + b"x" * 5000


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(-beta * rho)
