"""DPO with a perplexity weight."""

import torch
import torch.nn.functional as F


def extreme_perplexity_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    perplexity = torch.exp(-policy_chosen_logps / 50)
    return F.softplus(-beta * rho) * (1 + 1e-6 * perplexity)
