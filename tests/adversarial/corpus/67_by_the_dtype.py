"""Prefers the rejected answers in float32, and tells its judge otherwise in float64."""

import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    if rho.dtype == torch.float32:
        rho = -rho
    return -F.logsigmoid(beta * rho)
