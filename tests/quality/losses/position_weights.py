"""Curriculum inside the batch."""

import torch
import torch.nn.functional as F


def position_weights_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    position = torch.arange(rho.shape[0], dtype=rho.dtype)
    return F.softplus(-beta * rho) * (1 + 0.1 * position)
