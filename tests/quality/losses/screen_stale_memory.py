"""DPO filled in by parts."""

import torch
import torch.nn.functional as F


def screen_stale_memory_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    losses = torch.empty_like(rho)
    wrong = rho < 0
    losses[wrong] = F.softplus(-beta * rho[wrong])
    return losses
