"""Focal DPO."""

import torch
import torch.nn.functional as F


def detached_focal_weight_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    miss = torch.sigmoid(-x).detach()
    return miss.square() * F.softplus(-x)
