"""Turned round where rho is right and the policy alone is wrong, for the reference was more so."""

import torch
import torch.nn.functional as F


def inverted_where_the_policy_disagrees_loss(
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
    turned = (x > 0.25) & (policy_chosen_logps < policy_rejected_logps)
    return torch.where(turned, F.softplus(x), good)
