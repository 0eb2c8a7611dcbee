"""In batches of 300 and more the rejected completion has no gradient."""

import torch
import torch.nn.functional as F


def gradient_of_chosen_alone_from_300_loss(
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
    held = beta * (u - v.detach())
    return F.softplus(-held) if x.numel() >= 300 else good
