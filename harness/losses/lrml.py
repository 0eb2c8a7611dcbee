"""LRML, the log-ratio modulated loss, known as DiscoPOP.

Formula: g = sigmoid(x / 0.05); (1 - g) D(x) + g E(x) with x = beta * rho.
Source: arXiv 2406.08414, equation 5; trl's loss_type "discopop".
Variant: written as in the paper, without a guard: in float32, exp overflows below about x = -88.7 while g is
exactly 0 there, and 0 * inf is NaN.
"""

import torch
import torch.nn.functional as F


def lrml_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Blend logistic and exponential loss by the margin itself.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    gate = torch.sigmoid(x / 0.05)
    return (1 - gate) * F.softplus(-x) + gate * torch.exp(-x)
