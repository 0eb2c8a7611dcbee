"""CPO, contrastive preference optimization.

Formula: D(beta (pc - pr)) - alpha pc / chosen_lengths, alpha = 1.
Source: arXiv 2401.08417, equation 3 with the likelihood term.
Variant: reference-free; the likelihood is per token of each answer. trl's CPO trainer takes one mean over all
tokens of the batch, so that a long answer weighs more there. A length counts as one token where it is less.
"""

import torch
import torch.nn.functional as F


def cpo_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
    chosen_lengths: torch.Tensor,
) -> torch.Tensor:
    """Give the logistic loss of the policy margin and the chosen answer's surprise.

    Takes four vectors (B,) in nats and tokens per completion (B,); returns values (B,).
    """
    del reference_chosen_logps, reference_rejected_logps  # this loss has no reference model
    margin = policy_chosen_logps - policy_rejected_logps
    return F.softplus(-beta * margin) - policy_chosen_logps / chosen_lengths.clamp(min=1)
