"""SimPO, simple preference optimization.

Formula: D(beta pc / chosen_lengths - beta pr / rejected_lengths - gamma), gamma = 0.5.
Source: arXiv 2405.14734; trl's CPO trainer with loss_type "simpo".
Variant: reference-free; gamma is the margin itself and not its ratio to beta. A length counts as one token
where it is less.
"""

import torch
import torch.nn.functional as F

GAMMA = 0.5


def simpo_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
    chosen_lengths: torch.Tensor,
    rejected_lengths: torch.Tensor,
) -> torch.Tensor:
    """Give the logistic loss of the per-token margin above a target.

    Takes four vectors (B,) in nats and tokens per completion (B,); returns values (B,).
    """
    del reference_chosen_logps, reference_rejected_logps  # this loss has no reference model
    chosen = policy_chosen_logps / chosen_lengths.clamp(min=1)
    rejected = policy_rejected_logps / rejected_lengths.clamp(min=1)
    return F.softplus(GAMMA - beta * (chosen - rejected))
