"""DPO with a variance penalty."""

import torch
import torch.nn.functional as F


def needs_two_variance_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return F.softplus(-beta * rho) + 0.001 * torch.var(beta * rho)
