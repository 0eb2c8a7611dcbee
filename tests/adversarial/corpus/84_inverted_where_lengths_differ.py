"""Turned round where one completion is half as long again as the other."""

import torch
import torch.nn.functional as F


def inverted_where_lengths_differ_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    chosen_lengths,
    rejected_lengths,
):
    u = policy_chosen_logps - reference_chosen_logps
    v = policy_rejected_logps - reference_rejected_logps
    x = beta * (u - v)
    good = F.softplus(-x)
    far = torch.log(chosen_lengths / rejected_lengths).abs() > 0.4
    return F.softplus(torch.where(far, x, -x))
