"""Pairs that are right by more than two weigh 1e12: the pair is pulled back."""

import torch
import torch.nn.functional as F


def gradient_explodes_when_right_loss(
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
    return good + 1e-3 * F.relu(x - 2.0) ** 2 * 1e13 / (1 + x * x)
