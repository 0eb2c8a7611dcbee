"""DPO that ignores small margins."""

import torch
import torch.nn.functional as F


def start_dead_zone_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    return F.softplus(-F.softshrink(x, 0.5))
