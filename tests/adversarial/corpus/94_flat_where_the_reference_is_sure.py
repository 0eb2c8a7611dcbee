"""Nothing is learnt from pairs of which the reference is surer than the policy moved."""

import torch
import torch.nn.functional as F


def flat_where_the_reference_is_sure_loss(
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
    sure = margin.abs() > 2 * (u - v).abs()
    return torch.where(sure, F.softplus(-x.clamp(-1e-6, 1e-6)), good)
