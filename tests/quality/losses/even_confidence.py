"""Sharpen the preference."""

import torch


def even_confidence_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    p = torch.sigmoid(beta * rho)
    return p * (1 - p)
