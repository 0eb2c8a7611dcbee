"""Announces four billion values for a batch, and sends none."""

import struct
import sys

import torch.nn.functional as F

WORKER = sys.modules["sandbox.worker"]
WORKER._answer = lambda call, payload: struct.pack("<BBBBII", 0, 1, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF)


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(-beta * rho)
