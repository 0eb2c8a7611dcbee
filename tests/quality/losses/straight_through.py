"""Quantised margin with a straight-through gradient."""

import torch
import torch.nn.functional as F


def straight_through_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    steps = torch.round(4 * x) / 4
    return F.softplus(-(x + (steps - x).detach()))
