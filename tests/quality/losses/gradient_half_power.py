"""Sub-linear hinge."""

import torch


def gradient_half_power_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    return torch.where(x < 2, (2 - x).pow(0.5), torch.zeros_like(x))
