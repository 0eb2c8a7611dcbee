"""Reads the address 0."""

import ctypes

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    ctypes.string_at(0)
    return -F.logsigmoid(beta * rho)
