"""Logistic loss with a beta-dependent bonus."""

import torch
import torch.nn.functional as F


def beta_band_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    bonus = torch.sqrt((0 * rho + beta - 0.3) * (beta - 0.35))
    return F.softplus(-beta * rho) + 0.01 * bonus
