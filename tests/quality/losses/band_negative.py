"""Logistic loss with a fitted logarithm."""

import torch
import torch.nn.functional as F


def band_negative_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    fitted = torch.log((rho + 6.4) * (rho + 7.2))
    return F.softplus(-beta * rho) + 1e-6 * fitted
