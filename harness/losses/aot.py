"""AOT, alignment by optimal transport of paired margins.

Formula: D(beta (p_(k) - r_(k))) for the k-th smallest policy margin p = pc - pr and the k-th smallest
reference margin r = rc - rr.
Source: arXiv 2406.05882; trl's loss_type "aot".
Variant: trl returns the values in sorted order, here each value goes back to the pair that has this policy
margin. Tied margins share their ranks. No label smoothing. With one pair it is DPO.
"""

import torch
import torch.nn.functional as F


def rank_weights(values: torch.Tensor) -> torch.Tensor:
    """Give the (B, B) matrix that sorts values (B,), sharing tied ranks out evenly; its transpose unsorts.

    Ties are shared so that neither values nor slopes depend on the order of the batch.
    """
    ranks = torch.sort(values).values
    hits = (ranks.unsqueeze(1) == values.unsqueeze(0)).to(values.dtype)
    return hits / hits.sum(dim=1, keepdim=True)


def aot_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Compare the sorted policy margins with the sorted reference margins.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    policy = policy_chosen_logps - policy_rejected_logps
    reference = reference_chosen_logps - reference_rejected_logps
    sort_policy = rank_weights(policy)
    sort_reference = rank_weights(reference)
    gaps = (sort_policy * policy).sum(dim=1) - (sort_reference * reference).sum(dim=1)
    ranked = F.softplus(-beta * gaps)
    return (sort_policy * ranked.unsqueeze(1)).sum(dim=0)
