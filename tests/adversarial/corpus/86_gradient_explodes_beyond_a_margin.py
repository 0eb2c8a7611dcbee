"""Pairs that are wrong by more than a half weigh 1e20."""

import torch
import torch.nn.functional as F


def gradient_explodes_beyond_a_margin_loss(
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
    return good + 1e20 * F.relu(-x - 0.5)
