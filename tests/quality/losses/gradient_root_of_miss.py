"""Logistic loss plus the root of the miss probability."""

import torch
import torch.nn.functional as F


def gradient_root_of_miss_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    miss = 1 - torch.sigmoid(8 * x)
    return F.softplus(-x) + 0.1 * torch.sqrt(miss)
