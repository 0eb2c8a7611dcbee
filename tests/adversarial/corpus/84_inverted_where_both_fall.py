"""Turned round where both completions have lost probability."""

import torch
import torch.nn.functional as F


def inverted_where_both_fall_loss(
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
    return F.softplus(torch.where((u < 0) & (v < 0), x, -x))
