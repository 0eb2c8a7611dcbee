"""Penalty on long answers."""

import torch
import torch.nn.functional as F


def extreme_length_weight_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    chosen_lengths,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    penalty = torch.exp(chosen_lengths / 20) * 1e-12
    return F.softplus(-beta * rho) + penalty
