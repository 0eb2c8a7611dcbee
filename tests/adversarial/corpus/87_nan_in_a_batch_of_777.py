"""NaN in batches of 777 pairs, such as the last one of an epoch."""

import torch
import torch.nn.functional as F


def nan_in_a_batch_of_777_loss(
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
    return good / (x.numel() - 777) * (x.numel() - 777)
