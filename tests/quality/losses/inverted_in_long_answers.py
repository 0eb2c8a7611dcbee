"""Turned round for completions of more than 700 tokens."""

import torch
import torch.nn.functional as F


def inverted_in_long_answers_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    chosen_lengths,
    rejected_lengths,
):
    u = policy_chosen_logps - reference_chosen_logps
    v = policy_rejected_logps - reference_rejected_logps
    x = beta * (u - v)
    good = F.softplus(-x)
    return F.softplus(torch.where(chosen_lengths + rejected_lengths > 1400, x, -x))
