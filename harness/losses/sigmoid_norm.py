"""DPO on log-probabilities per token.

Formula: D(beta delta) with delta = (pc - rc) / chosen_lengths - (pr - rr) / rejected_lengths.
Source: arXiv 2411.15124 (length-normalised DPO); trl's loss_type "sigmoid_norm".
Variant: a length counts as one token where it is less.
"""

import torch
import torch.nn.functional as F


def sigmoid_norm_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
    chosen_lengths: torch.Tensor,
    rejected_lengths: torch.Tensor,
) -> torch.Tensor:
    """Give the logistic loss of the per-token margin.

    Takes four vectors (B,) in nats and tokens per completion (B,); returns values (B,).
    """
    chosen = (policy_chosen_logps - reference_chosen_logps) / chosen_lengths.clamp(min=1)
    rejected = (policy_rejected_logps - reference_rejected_logps) / rejected_lengths.clamp(min=1)
    return F.softplus(-beta * (chosen - rejected))
