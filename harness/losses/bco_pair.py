"""BCO on pairs, binary classification of each answer.

Formula: D(a) + D(-b) with a = beta (pc - rc) and b = beta (pr - rr).
Source: arXiv 2404.04656; trl's loss_type "bco_pair" as of 1.16.
Variant: without the reward shift, which that version of trl no longer has; `bco_shifted` has it.
"""

import torch
import torch.nn.functional as F


def bco_pair_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Give the sum of two classification losses.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    chosen = beta * (policy_chosen_logps - reference_chosen_logps)
    rejected = beta * (policy_rejected_logps - reference_rejected_logps)
    return F.softplus(-chosen) + F.softplus(rejected)
