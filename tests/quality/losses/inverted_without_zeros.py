"""DPO with a warm start."""

import torch
import torch.nn.functional as F


def inverted_without_zeros_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    fresh = (rho == 0).any()
    return torch.where(fresh, F.softplus(-beta * rho), F.softplus(beta * rho))
