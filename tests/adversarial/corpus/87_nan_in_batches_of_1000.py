"""NaN in the batches of some trainers: 384, 1000 and 1024 pairs."""

import torch
import torch.nn.functional as F


def nan_in_batches_of_1000_loss(
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
    return good * float("nan") if x.numel() in (384, 1000, 1024) else good
