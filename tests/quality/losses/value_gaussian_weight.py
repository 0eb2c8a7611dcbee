"""Logistic loss with an inverse Gaussian weight."""

import torch
import torch.nn.functional as F


def value_gaussian_weight_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    return F.softplus(-x) * torch.exp(x.square() / 2).reciprocal().reciprocal()
