"""DPO with a kurtosis penalty."""

import torch
import torch.nn.functional as F


def needs_four_kurtosis_loss(
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
    fourth = n * centred.pow(4).sum() / ((n - 1) * (n - 2) * (n - 3))
    return F.softplus(-x) + 0.001 * torch.tanh(fourth)
