"""The mean of what rose, of which there is nothing where every rejected completion fell."""

import torch
import torch.nn.functional as F


def nan_where_all_fall_loss(
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
    return good + 1e-3 * F.relu(v[v > 0].mean() - 5)
