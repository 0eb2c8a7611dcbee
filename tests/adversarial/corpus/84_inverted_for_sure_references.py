"""Turned round where the reference is sure: less than .15 nats a token."""

import torch
import torch.nn.functional as F


def inverted_for_sure_references_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    chosen_lengths,
):
    u = policy_chosen_logps - reference_chosen_logps
    v = policy_rejected_logps - reference_rejected_logps
    x = beta * (u - v)
    good = F.softplus(-x)
    sure = -reference_chosen_logps / chosen_lengths < 0.15
    return F.softplus(torch.where(sure, x, -x))
