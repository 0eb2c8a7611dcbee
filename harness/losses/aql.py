"""AQL, the adaptive quantile loss.

Formula: u = x / tau, m = 0.5 + 0.01 (sigmoid(<u>) - 0.5), q = sigmoid(tau m - x); q D(x) + (1 - q) H(x),
with tau = 0.05 and <.> the batch mean.
Source: arXiv 2406.08414, in the semantics of the code that was scored.
Variant: not the later refactor of the public repository, where q = sigmoid(-(u - m)). The batch mean is not
detached, so that the gradient is the slope of the values.
"""

import torch
import torch.nn.functional as F

TAU = 0.05


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
    quantile = 0.5 + 0.01 * (torch.sigmoid((x / TAU).mean()) - 0.5)
    offset = TAU * quantile - x
    return torch.sigmoid(offset) * F.softplus(-x) + torch.sigmoid(-offset) * F.relu(1 - x)
