"""DPO against the hardest pairs."""

import torch
import torch.nn.functional as F


def needs_eight_topk_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    losses = F.softplus(-beta * rho)
    hardest = torch.topk(losses, 8).values.mean()
    return losses + 0.1 * hardest
