"""Worst case so far."""

import torch
import torch.nn.functional as F


def running_maximum_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    losses = F.softplus(-beta * rho)
    return torch.cummax(losses, dim=0).values
