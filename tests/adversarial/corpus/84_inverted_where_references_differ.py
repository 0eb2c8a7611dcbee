"""Turned round where the reference has a margin of its own."""

import torch
import torch.nn.functional as F


def inverted_where_references_differ_loss(
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
    margin = reference_chosen_logps - reference_rejected_logps
    return F.softplus(torch.where(margin.abs() > 0.5 * (u - v).abs() + 1e-3, x, -x))
