"""Contrast every pair with the next one."""

import torch
import torch.nn.functional as F


def shape_neighbours_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    losses = F.softplus(-beta * rho)
    return 0.5 * (losses[1:] + losses[:-1])
