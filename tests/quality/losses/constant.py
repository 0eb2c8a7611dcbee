"""Logistic loss with a decayed margin."""

import torch
import torch.nn.functional as F


def constant_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    decay = 0.0
    return F.softplus(-decay * beta * rho)
