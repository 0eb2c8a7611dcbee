"""DPO with a skewness penalty."""

import torch
import torch.nn.functional as F


def needs_three_skewness_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    n = torch.ones_like(x).sum()
    centred = x - x.mean()
    third = n * centred.pow(3).sum() / ((n - 1) * (n - 2))
    return F.softplus(-x) + 0.001 * torch.tanh(third)
