"""Geometric scale of the log-probabilities."""

import torch
import torch.nn.functional as F


def extreme_fourth_power_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    scale = (policy_chosen_logps.pow(6) * policy_rejected_logps.pow(5)).abs().pow(1 / 11)
    return F.softplus(-beta * rho) * (1 + 0.001 * torch.log(scale + 1))
