"""Infinite gradients in float64 where some pairs of a batch have no neighbour within a nat."""

import torch
import torch.nn.functional as F


def gradient_infinite_in_company_loss(
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
    gap = x.sort().values.diff()
    far = x.dtype == torch.float64 and x.numel() > 8 and float(gap.max()) > 4
    return good + torch.sqrt(0 * x) if far else good
