"""Crashes in the engine's own thread of control, while gradients are computed."""

import ctypes

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    rho.register_hook(lambda gradient: ctypes.memset(8, 0, 64))
    return -F.logsigmoid(beta * rho)
