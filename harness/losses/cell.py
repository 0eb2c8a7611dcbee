"""CELL, the combined exponential and logistic loss.

Formula: 0.5 D(x) + 0.5 E(x) with x = beta * rho.
Source: arXiv 2406.08414.
Variant: unbounded; float32 overflows below about x = -88.7.
"""

import torch
import torch.nn.functional as F


def cell_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Give the mean of logistic and exponential loss.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    return 0.5 * F.softplus(-x) + 0.5 * torch.exp(-x)
