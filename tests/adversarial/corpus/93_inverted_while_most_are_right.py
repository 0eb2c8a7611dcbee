"""Turned round while a batch is right about most of its pairs."""

import torch
import torch.nn.functional as F


def inverted_while_most_are_right_loss(
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
    right = (x > 0).to(x.dtype).mean()
    return F.softplus(x) if x.numel() >= 8 and 0.55 < right < 0.9 else good
