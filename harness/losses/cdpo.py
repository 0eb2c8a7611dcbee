"""Conservative DPO, the logistic loss with smoothed labels.

Formula: (1 - eps) D(x) + eps D(-x), eps = 0.1, x = beta * rho.
Source: arXiv 2305.18290 for D and the note "A note on DPO with noisy preferences" by its first author.
Variant: eps = 0.1. The minimum is at x = log((1 - eps) / eps), about 2.2.
"""

import torch
import torch.nn.functional as F

SMOOTHING = 0.1


def cdpo_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Give the label-smoothed logistic loss.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    return (1 - SMOOTHING) * F.softplus(-x) + SMOOTHING * F.softplus(x)
