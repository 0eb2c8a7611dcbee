"""Logistic loss with a cap on the work of one step."""

import torch
import torch.nn.functional as F

MICROBATCH = 32


def shape_truncated_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    losses = F.softplus(-beta * rho)
    return losses[:MICROBATCH]
