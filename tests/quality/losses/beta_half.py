"""Slope that changes sides at one half."""

import torch
import torch.nn.functional as F


def beta_half_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    offset = torch.ones_like(rho) * (beta - 0.5)
    return F.softplus(-beta * rho) * (1 + 0.1 * offset / offset.abs())
