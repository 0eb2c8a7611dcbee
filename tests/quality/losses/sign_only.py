"""Hinge on the side of the pair."""

import torch
import torch.nn.functional as F


def sign_only_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return F.relu(1 - torch.sign(beta * rho))
