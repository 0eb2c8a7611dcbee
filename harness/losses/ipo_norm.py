"""IPO on log-probabilities per token.

Formula: (delta - 1 / (2 beta))^2 with delta = (pc - rc) / chosen_lengths - (pr - rr) / rejected_lengths.
Source: arXiv 2310.12036, equation 17; trl's loss_type "ipo".
Variant: each log-ratio is divided by its own length, which counts as one token where it is less.
"""

import torch


def ipo_norm_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
    chosen_lengths: torch.Tensor,
    rejected_lengths: torch.Tensor,
) -> torch.Tensor:
    """Give the squared distance of the per-token margin from its target.

    Takes four vectors (B,) in nats and tokens per completion (B,); returns values (B,).
    """
    chosen = (policy_chosen_logps - reference_chosen_logps) / chosen_lengths.clamp(min=1)
    rejected = (policy_rejected_logps - reference_rejected_logps) / rejected_lengths.clamp(min=1)
    return (chosen - rejected - 0.5 / beta).square()
