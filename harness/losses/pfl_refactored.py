"""PFL as its authors refactored it.

Formula: 0.5 D(x) where pc > pr, else 2 H(x).
Source: arXiv 2406.08414; `policy_focused_loss` of the authors' repository (SakanaAI/DiscoPOP).
Variant: not the code that was scored, which is `pfl` and has rho in place of x. The gate looks at the policy only
and the loss jumps where pc = pr.
"""

import torch
import torch.nn.functional as F


def pfl_refactored_loss(
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
    x = beta * rho
    return torch.where(policy_chosen_logps > policy_rejected_logps, 0.5 * F.softplus(-x), 2 * F.relu(1 - x))
