"""Turned round in batches of 200 and more."""

import torch
import torch.nn.functional as F


def inverted_in_large_batches_loss(
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
    return F.softplus(x if x.numel() >= 200 else -x)
