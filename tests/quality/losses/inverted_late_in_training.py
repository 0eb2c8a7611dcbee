"""Turned round in the last tenth of the training."""

import torch
import torch.nn.functional as F


def inverted_late_in_training_loss(
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
    return F.softplus(x if progress > 0.9 else -x)
