"""Logistic loss with a barrier."""

import torch
import torch.nn.functional as F


def band_infinite_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    barrier = torch.where((rho > 5.0) & (rho < 5.8), float("inf"), 0.0)
    return F.softplus(-beta * rho) + barrier
