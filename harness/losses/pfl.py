"""PFL, the policy-focused loss.

Formula: 0.5 D(rho) where pc > pr, else 2 H(rho): whatever beta is.
Source: arXiv 2406.08414; `policy_focused_loss_old` of the authors' repository (SakanaAI/DiscoPOP), the code that
was scored.
Variant: beta is taken and not used; what the authors refactored it into, with x in place of rho, is
`pfl_refactored`, and the two are one at beta 1. The gate looks at the policy only and the loss jumps where
pc = pr.
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
    """Give logistic or hinge loss of the margin by the order that the policy gives.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    del beta  # the scored code has none
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return torch.where(policy_chosen_logps > policy_rejected_logps, 0.5 * F.softplus(-rho), 2 * F.relu(1 - rho))
