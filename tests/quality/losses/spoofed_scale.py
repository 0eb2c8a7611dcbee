"""DPO with a gradient gain."""

import torch
import torch.nn.functional as F


def spoofed_scale_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    losses = F.softplus(-beta * rho)
    return 100 * losses - 99 * losses.detach()
