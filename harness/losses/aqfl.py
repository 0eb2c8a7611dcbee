"""AQFL, the adaptive quantile feedback loss.

Formula: u = x / tau, m1 = std(u) <sigmoid(-u)>, m = m1 + 0.05 (sigmoid(<u>) - m1), r = sigmoid(0.1 |u - m|);
r D(x) + (1 - r) H(x), with tau = 0.05 and <.> the batch mean.
Source: arXiv 2406.08414; `adaptive_quantile_feedback_loss` of the authors' repository (SakanaAI/DiscoPOP).
Variant: the code that was scored has rho in place of u: the same at beta 0.05, where it was scored. sigmoid(<u>)
where equation 13 prints <sigmoid(u)>; std (unbiased) where equation 24 prints Var. No statistic is detached, so
that the gradient is the slope of the values. One pair has no unbiased std: a batch of 1 gives NaN, the smallest
batch is 2.
"""

import torch
import torch.nn.functional as F

TAU = 0.05


def aqfl_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Blend logistic and hinge loss by the distance from a batch quantile.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    u = x / TAU
    spread = u.std() * torch.sigmoid(-u).mean()
    middle = spread + 0.05 * (torch.sigmoid(u.mean()) - spread)
    distance = 0.1 * (u - middle).abs()
    return torch.sigmoid(distance) * F.softplus(-x) + torch.sigmoid(-distance) * F.relu(1 - x)
