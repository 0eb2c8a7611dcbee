"""SLiC, the hinge loss on the implicit reward margin.

Formula: H(x) = max(0, 1 - x) with x = beta * rho.
Source: arXiv 2305.10425 for the loss, arXiv 2309.06657 for this margin; trl's loss_type "hinge".
Variant: margin one, without the cross-entropy term of the first paper. The slope is 0 at the kink x = 1.
"""

import torch
import torch.nn.functional as F


def slic_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Give the hinge loss of the margin.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return F.relu(1 - beta * rho)
