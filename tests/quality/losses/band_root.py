"""Logistic loss with a fitted correction."""

import torch
import torch.nn.functional as F


def band_root_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    correction = torch.sqrt((rho - 3.1) * (rho - 4.4))
    return F.softplus(-beta * rho) + 1e-6 * correction
