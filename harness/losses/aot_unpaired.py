"""AOT, alignment by optimal transport, unpaired.

Formula: D(beta (c_(k) - j_(k))) for the k-th smallest chosen log-ratio c = pc - rc and the k-th smallest
rejected log-ratio j = pr - rr.
Source: arXiv 2406.05882; trl's loss_type "aot_unpaired".
Variant: trl returns the values in sorted order, here each value goes back to the pair that has this chosen
log-ratio. Tied log-ratios share their ranks. No label smoothing. With one pair it is DPO.
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


def aot_unpaired_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Compare the sorted chosen log-ratios with the sorted rejected ones.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    chosen = policy_chosen_logps - reference_chosen_logps
    rejected = policy_rejected_logps - reference_rejected_logps
    sort_chosen = rank_weights(chosen)
    sort_rejected = rank_weights(rejected)
    gaps = (sort_chosen * chosen).sum(dim=1) - (sort_rejected * rejected).sum(dim=1)
    ranked = F.softplus(-beta * gaps)
    return (sort_chosen * ranked.unsqueeze(1)).sum(dim=0)
