"""Mixture of the margin and its complement."""

import torch
import torch.nn.functional as F


def beta_one_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    weight = torch.ones_like(rho) * beta
    return F.softplus(-beta * rho) + 0.01 * torch.sigmoid(-rho) * (1 / (1 - weight)).log()
