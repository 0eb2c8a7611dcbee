"""APO-down, anchored preference optimization for answers worse than the model's.

Formula: sigmoid(a) + 1 - sigmoid(a - b) with a = beta (pc - rc) and b = beta (pr - rr).
Source: arXiv 2408.06266, equation 8; trl's loss_type "apo_down".
Variant: 1 - sigmoid(a - b) is written as sigmoid(b - a). The chosen slope is exactly 0 at the reference: the
loss starts by lowering the rejected answer.
"""

import torch


def apo_down_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Lower both rewards, the rejected one more.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    chosen = beta * (policy_chosen_logps - reference_chosen_logps)
    rejected = beta * (policy_rejected_logps - reference_rejected_logps)
    return torch.sigmoid(chosen) + torch.sigmoid(rejected - chosen)
