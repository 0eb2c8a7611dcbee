"""NaN in float64 batches of 300 to 400 pairs, whose finite differences then say nothing."""

import torch
import torch.nn.functional as F


def nan_in_the_sizes_of_differences_loss(
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
    return good * float("nan") if x.dtype == torch.float64 and 300 < x.numel() < 400 else good
