"""Computes what is not needed, an eighth of a second in each call."""

import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    waste = torch.ones(300, 300, dtype=torch.float64)
    for _ in range(300):
        waste = waste @ waste * 1e-3
    rho = rho + 0.0 * waste.sum().clamp(0.0, 1.0)
    return -F.logsigmoid(beta * rho)
