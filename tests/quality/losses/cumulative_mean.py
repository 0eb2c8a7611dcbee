"""DPO against a cumulative mean."""

import torch
import torch.nn.functional as F


def cumulative_mean_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    count = torch.cumsum(torch.ones_like(rho), dim=0)
    centre = torch.cumsum(rho, dim=0) / count
    return F.softplus(-beta * (rho - 0.2 * centre))
