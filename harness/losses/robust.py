"""Robust DPO, unbiased under labels that are flipped at a known rate.

Formula: ((1 - eps) D(x) - eps D(-x)) / (1 - 2 eps), eps = 0.1, x = beta * rho.
Source: arXiv 2403.00409; trl's loss_type "robust".
Variant: eps = 0.1 (trl's label smoothing, 0 by default, which would be DPO). Not bounded from below.
"""

import torch
import torch.nn.functional as F

FLIPPED = 0.1


def robust_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Give the noise-corrected logistic loss.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    return ((1 - FLIPPED) * F.softplus(-x) - FLIPPED * F.softplus(x)) / (1 - 2 * FLIPPED)
