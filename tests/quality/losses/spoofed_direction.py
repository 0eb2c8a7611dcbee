"""DPO with a variance-reduced gradient."""

import torch
import torch.nn.functional as F


def spoofed_direction_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    good = F.softplus(-beta * rho)
    other = F.softplus(beta * rho)
    return good.detach() + other - other.detach()
