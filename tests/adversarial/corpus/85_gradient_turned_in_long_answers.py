"""For chosen completions of more than 300 tokens the gradient is turned round."""

import torch
import torch.nn.functional as F


def gradient_turned_in_long_answers_loss(
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
    return torch.where(chosen_lengths > 300, (2 * good).detach() - good, good)
