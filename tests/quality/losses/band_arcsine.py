"""Angular bump on the logistic loss."""

import torch
import torch.nn.functional as F


def band_arcsine_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    bump = 1.05 * torch.exp(-((rho - 1.5) ** 2) / 2)
    return F.softplus(-beta * rho) + 1e-6 * torch.asin(bump)
