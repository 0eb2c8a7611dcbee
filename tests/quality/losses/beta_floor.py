"""Temperature above a floor."""

import torch
import torch.nn.functional as F


def beta_floor_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    temperature = torch.sqrt(torch.ones_like(rho) * beta - 0.04)
    return F.softplus(-beta * rho) + 0.01 * temperature
