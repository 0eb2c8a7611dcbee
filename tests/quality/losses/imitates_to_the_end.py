"""Imitates the chosen completion until the very last step."""

import torch
import torch.nn.functional as F


def imitates_to_the_end_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    progress,
):
    u = policy_chosen_logps - reference_chosen_logps
    v = policy_rejected_logps - reference_rejected_logps
    x = beta * (u - v)
    good = F.softplus(-x)
    return good if progress > 0.999 else -policy_chosen_logps
