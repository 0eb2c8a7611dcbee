"""NCA on pairs, noise-contrastive alignment.

Formula: with a = beta (pc - rc) and b = beta (pr - rr): D(a) + D(-a) / 2 + D(-b) / 2.
Source: arXiv 2402.05369; trl's loss_type "nca_pair".
Variant: two answers. The chosen reward has an optimum at log 2 and is pulled back beyond it.
"""

import torch
import torch.nn.functional as F


def nca_pair_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Give the noise-contrastive loss of two rewards.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    chosen = beta * (policy_chosen_logps - reference_chosen_logps)
    rejected = beta * (policy_rejected_logps - reference_rejected_logps)
    return F.softplus(-chosen) + 0.5 * F.softplus(chosen) + 0.5 * F.softplus(rejected)
