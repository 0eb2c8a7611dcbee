"""Logistic loss plus the side the pair is on."""

import torch
import torch.nn.functional as F


def zero_unit_margin_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    side = rho / rho.abs()
    return F.softplus(-beta * rho) + 0.001 * (1 - side)
