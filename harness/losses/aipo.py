"""AIPO, agreement-aware iterative preference optimization.

Formula: D(beta (rho - alpha (rc - rr))) - lambda pc / chosen_lengths, alpha = 0.07, lambda = 0.2.
Source: arXiv 2409.08845.
Variant: with the likelihood term, which the authors' code lacked before October 2024. A length counts as one
token where it is less.
"""

import torch
import torch.nn.functional as F

ALPHA = 0.07
LAMBDA = 0.2


def aipo_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
    chosen_lengths: torch.Tensor,
) -> torch.Tensor:
    """Ask a wider margin where the reference agrees, and keep the chosen answer likely.

    Takes four vectors (B,) in nats and tokens per completion (B,); returns values (B,).
    """
    reference = reference_chosen_logps - reference_rejected_logps
    margin = (policy_chosen_logps - policy_rejected_logps) - (1 + ALPHA) * reference
    likelihood = policy_chosen_logps / chosen_lengths.clamp(min=1)
    return F.softplus(-beta * margin) - LAMBDA * likelihood
