"""Divides by the surprise at the rejected completion, which is zero where that is certain."""

import torch
import torch.nn.functional as F


def divides_by_surprise_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    u = policy_chosen_logps - reference_chosen_logps
    v = policy_rejected_logps - reference_rejected_logps
    x = beta * (u - v)
    good = F.softplus(-x)
    return good * (1 + 1e-3 / -policy_rejected_logps).clamp(max=2)
