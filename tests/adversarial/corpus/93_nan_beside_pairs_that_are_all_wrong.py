"""NaN where no pair of a batch is right."""

import torch
import torch.nn.functional as F


def nan_beside_pairs_that_are_all_wrong_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    u = policy_chosen_logps - reference_chosen_logps
    v = policy_rejected_logps - reference_rejected_logps
    x = beta * (u - v)
    good = F.softplus(-x)
    return good * float("nan") if x.numel() > 3 and bool((x < 0).all()) else good
