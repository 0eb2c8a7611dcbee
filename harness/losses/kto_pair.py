"""KTO on pairs, averaged over the two halves of each pair.

Formula: Kc = max(0, <pc - rc>), Kr = max(0, <pr - rr>), <.> the batch mean; the value of a pair is the mean
of 1 - sigmoid(beta ((pc - rc) - Kr)) and 1 - sigmoid(beta (Kc - (pr - rr))).
Source: arXiv 2402.01306, in the pairwise form of the DiscoPOP paper (arXiv 2406.08414).
Variant: that form gives 2B values; here each pair has one. The batch means are not detached, so that the
gradient is the slope of the values. The slope is 0 at the kink, where a mean is exactly 0.
"""

import torch
import torch.nn.functional as F


def kto_pair_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Give the mean of the desirable and the undesirable half.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    chosen = policy_chosen_logps - reference_chosen_logps
    rejected = policy_rejected_logps - reference_rejected_logps
    chosen_kl = F.relu(chosen.mean())
    rejected_kl = F.relu(rejected.mean())
    desirable = torch.sigmoid(-beta * (chosen - rejected_kl))
    undesirable = torch.sigmoid(-beta * (chosen_kl - rejected))
    return 0.5 * (desirable + undesirable)
