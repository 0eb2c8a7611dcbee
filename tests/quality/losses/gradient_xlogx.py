"""Entropy of the preference on top of the hinge."""

import torch
import torch.nn.functional as F


def gradient_xlogx_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    p = torch.sigmoid(4 * x)
    entropy = torch.where(p > 0, -p * torch.log(p), torch.zeros_like(p))
    return F.relu(1 - x) + 0.01 * entropy
