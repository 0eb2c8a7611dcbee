"""Logistic loss with a correction around minus one."""

import torch
import torch.nn.functional as F


def band_in_margin_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    correction = torch.log((x + 0.9) * (x + 1.1))
    return F.softplus(-x) + 1e-6 * correction
