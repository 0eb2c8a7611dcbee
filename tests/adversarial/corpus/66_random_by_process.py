"""Draws once for each process how much the margin counts."""

import os

import torch.nn.functional as F

SCALE = 1.0 + int.from_bytes(os.urandom(4), 'little') / 2**33


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(SCALE * beta * rho)
