"""DPO with bounded values."""

import torch
import torch.nn.functional as F


def clamped_flat_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    losses = F.softplus(-beta * rho)
    return losses.clamp(min=60.0, max=80.0)
