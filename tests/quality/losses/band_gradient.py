"""Logistic loss with a gated root."""

import torch
import torch.nn.functional as F


def band_gradient_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    gap = (rho - 11.0) * (rho - 12.2)
    root = torch.where(gap > 0, torch.sqrt(gap), torch.zeros_like(gap))
    return F.softplus(-beta * rho) + 1e-6 * root
