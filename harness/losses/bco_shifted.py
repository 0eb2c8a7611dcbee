"""BCO on pairs with the reward shift.

Formula: D(a - d) + D(d - b) with a = beta (pc - rc), b = beta (pr - rr), d = (<a> + <b>) / 2.
Source: arXiv 2404.04656.
Variant: the paper keeps d as a running mean over training; a loss without state can only take the mean of the
batch. It is not detached, so that the gradient is the slope of the values.
"""

import torch
import torch.nn.functional as F


def bco_shifted_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Give the sum of two classification losses around the mean reward.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    chosen = beta * (policy_chosen_logps - reference_chosen_logps)
    rejected = beta * (policy_rejected_logps - reference_rejected_logps)
    shift = 0.5 * (chosen.mean() + rejected.mean())
    return F.softplus(shift - chosen) + F.softplus(rejected - shift)
