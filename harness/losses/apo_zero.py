"""APO-zero, anchored preference optimization for answers better than the model's.

Formula: 1 - sigmoid(a) + sigmoid(b) with a = beta (pc - rc) and b = beta (pr - rr).
Source: arXiv 2408.06266, equation 7; trl's loss_type "apo_zero".
Variant: 1 - sigmoid(a) is written as sigmoid(-a), which keeps its small values.
"""

import torch


def apo_zero_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Raise the chosen and lower the rejected reward.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    chosen = beta * (policy_chosen_logps - reference_chosen_logps)
    rejected = beta * (policy_rejected_logps - reference_rejected_logps)
    return torch.sigmoid(-chosen) + torch.sigmoid(rejected)
