"""Logistic loss of the cubed margin."""

import torch
import torch.nn.functional as F


def start_cubed_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    return F.softplus(-x.pow(3))
