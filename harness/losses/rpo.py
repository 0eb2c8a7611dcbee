"""RPO, DPO with a likelihood term on the chosen answer.

Formula: D(x) - alpha pc / chosen_lengths, alpha = 1, x = beta * rho.
Source: arXiv 2404.19733 (iterative reasoning preference optimization).
Variant: the likelihood is per token of the completion; a length counts as one token where it is less.
"""

import torch
import torch.nn.functional as F


def rpo_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
    chosen_lengths: torch.Tensor,
) -> torch.Tensor:
    """Give the logistic loss and the chosen answer's surprise per token.

    Takes four vectors (B,) in nats and tokens per completion (B,); returns values (B,).
    """
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return F.softplus(-beta * rho) - policy_chosen_logps / chosen_lengths.clamp(min=1)
