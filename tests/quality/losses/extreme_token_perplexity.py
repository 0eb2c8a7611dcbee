"""Per-token perplexity of the chosen answer."""

import torch
import torch.nn.functional as F


def extreme_token_perplexity_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    chosen_lengths,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    surprise = -policy_chosen_logps / chosen_lengths.clamp(min=1)
    return F.softplus(-beta * rho) + 1e-9 * torch.exp(surprise)
