"""AQL, the adaptive quantile loss.

Formula: m = 0.5 + 0.01 (sigmoid(<rho>) - 0.5), q = sigmoid(beta (m - rho)); q D(x) + (1 - q) H(x), with <.> the
batch mean.
Source: arXiv 2406.08414; `adaptive_quantile_loss_old` of the authors' repository (SakanaAI/DiscoPOP), the code
that was scored at beta 0.05.
Variant: what the authors refactored it into is `aql_refactored`, another function at every beta. The batch mean
is not detached, so that the gradient is the slope of the values.
"""

import torch
import torch.nn.functional as F


def aql_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Blend logistic and hinge loss around an adaptive quantile.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    quantile = 0.5 + 0.01 * (torch.sigmoid(rho.mean()) - 0.5)
    offset = beta * (quantile - rho)
    return torch.sigmoid(offset) * F.softplus(-x) + torch.sigmoid(-offset) * F.relu(1 - x)
