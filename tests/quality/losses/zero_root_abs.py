"""Logistic loss with a concave penalty."""

import torch
import torch.nn.functional as F


def zero_root_abs_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return F.softplus(-beta * rho) - 0.05 * torch.sign(rho) * torch.sqrt(rho.abs())
