"""Softplus by its integral."""

import torch

STEPS = 10000


def slow_series_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    total = torch.zeros_like(x)
    for k in range(STEPS):
        total = total + torch.sigmoid(-x * ((k + 0.5) / STEPS))
    return 0.6931471805599453 - x * total / STEPS
