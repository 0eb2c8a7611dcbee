"""AQL as its authors refactored it.

Formula: u = x / 0.05, m = 0.5 + 0.01 (sigmoid(<u>) - 0.5), q = sigmoid(m - u); q D(x) + (1 - q) H(x), with <.>
the batch mean.
Source: arXiv 2406.08414; `adaptive_quantile_loss` of the authors' repository (SakanaAI/DiscoPOP).
Variant: not the code that was scored, which is `aql`: its weight q turns 20 times as fast over x. The batch mean
is not detached, so that the gradient is the slope of the values.
"""

import torch
import torch.nn.functional as F


def aql_refactored_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Blend logistic and hinge loss around an adaptive quantile of the margins at beta 0.05.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    u = x / 0.05
    quantile = 0.5 + 0.01 * (torch.sigmoid(u.mean()) - 0.5)
    return torch.sigmoid(quantile - u) * F.softplus(-x) + torch.sigmoid(u - quantile) * F.relu(1 - x)
