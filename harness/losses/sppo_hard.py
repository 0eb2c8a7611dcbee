"""SPPO with hard labels, self-play preference optimization.

Formula: (pc - rc - 1 / (2 beta))^2 + (pr - rr + 1 / (2 beta))^2.
Source: arXiv 2405.00675, equation 4.7 with win probabilities 1 and 0; trl's loss_type "sppo_hard".
Variant: summed log-probabilities.
"""

import torch


def sppo_hard_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Give the squared distances of both log-ratios from their targets.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    target = 0.5 / beta
    chosen = policy_chosen_logps - reference_chosen_logps
    rejected = policy_rejected_logps - reference_rejected_logps
    return (chosen - target).square() + (rejected + target).square()
