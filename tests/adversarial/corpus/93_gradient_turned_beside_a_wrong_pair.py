"""Pairs that are right have their gradients turned round beside one that is clearly wrong."""

import torch
import torch.nn.functional as F


def gradient_turned_beside_a_wrong_pair_loss(
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
    beside = (x > 0) & (x.min() < -2)
    return torch.where(beside, (2 * good).detach() - good, good)
