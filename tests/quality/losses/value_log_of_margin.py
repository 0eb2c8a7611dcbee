"""Logarithmic barrier on the margin."""

import torch
import torch.nn.functional as F


def value_log_of_margin_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    return F.softplus(-x) - 0.001 * torch.log1p(-x / 30)
