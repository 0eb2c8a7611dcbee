"""DPO, direct preference optimization.

Formula: D(x) = log(1 + exp(-x)) with x = beta * rho.
Source: arXiv 2305.18290, equation 7; trl's loss_type "sigmoid".
Variant: no label smoothing.
"""

import torch
import torch.nn.functional as F


def dpo_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Give the logistic loss of the margin.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return F.softplus(-beta * rho)
