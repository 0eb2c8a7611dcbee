"""EXP, the exponential loss of the margin.

Formula: E(x) = exp(-x) with x = beta * rho.
Source: arXiv 2406.08414 (a component of CELL, DBAQL and LRML).
Variant: unbounded; float32 overflows below about x = -88.7.
"""

import torch


def exp_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Give the exponential loss of the margin.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return torch.exp(-beta * rho)
