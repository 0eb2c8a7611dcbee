"""Softplus with a linear tail."""

import torch


def gradient_masked_overflow_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    u = -beta * rho / 0.05
    return 0.05 * torch.where(u > 30, u, torch.log1p(torch.exp(u)))
