"""DBAQL, the dynamic blended adaptive quantile loss.

Formula: u = x / 0.05, s = sigmoid(Var(u)); s D(x / 0.9) + (1 - s) E(0.9 x).
Source: arXiv 2406.08414; `dynamic_blended_adaptive_quantile_loss` of the authors' repository (SakanaAI/DiscoPOP).
Variant: the code that was scored has rho in place of u: the same at beta 0.05, where it was scored. Var is the
unbiased batch variance and is not detached, so that the gradient is the slope of the values. One pair has no
unbiased variance: a batch of 1 gives NaN, the smallest batch is 2.
"""

import torch
import torch.nn.functional as F


def dbaql_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Blend logistic and exponential loss by the batch variance.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    variance = (x / 0.05).var()
    logistic = torch.sigmoid(variance) * F.softplus(-x / 0.9)
    return logistic + torch.sigmoid(-variance) * torch.exp(-0.9 * x)
