"""IPO, identity preference optimization.

Formula: (rho - 1 / (2 beta))^2.
Source: arXiv 2310.12036, equation 17, as the DiscoPOP paper (arXiv 2406.08414) scored it.
Variant: summed log-probabilities. trl divides each completion by its length first: that is `ipo_norm`.
"""

import torch


def ipo_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Give the squared distance of rho from its target.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return (rho - 0.5 / beta).square()
