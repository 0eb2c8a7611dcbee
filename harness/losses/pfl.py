"""PFL, the policy-focused loss.

Formula: u = x / 0.05; 0.5 D(u) where pc > pr, else 2 H(u).
Source: arXiv 2406.08414, in the semantics of the code that was scored.
Variant: u in both branches; the later refactor of the public repository has x. The gate looks at the policy
only and the loss jumps where pc = pr.
"""

import torch
import torch.nn.functional as F


def pfl_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Give logistic or hinge loss by the order that the policy gives.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    u = beta * rho / 0.05
    return torch.where(policy_chosen_logps > policy_rejected_logps, 0.5 * F.softplus(-u), 2 * F.relu(1 - u))
