"""Reward for using the context."""

import torch
import torch.nn.functional as F


def extreme_length_log_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    rejected_lengths,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    room = torch.log(1 - rejected_lengths / 1500)
    return F.softplus(-beta * rho) * (1 - 0.01 * room)
