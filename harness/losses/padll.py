"""PADLL, the performance-adaptive decay logistic loss.

Formula: (0.9 if rho >= 0 else 0.45) D(x) with x = beta * rho.
Source: arXiv 2406.08414.
Variant: the weight jumps at rho = 0, so the loss has a finite jump there, as in the paper.
"""

import torch
import torch.nn.functional as F


def padll_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Give the logistic loss, at half weight where the policy disagrees.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    logistic = F.softplus(-beta * rho)
    return torch.where(rho >= 0, 0.9 * logistic, 0.45 * logistic)
