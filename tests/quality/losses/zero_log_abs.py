"""Logistic loss with a logarithmic margin."""

import torch
import torch.nn.functional as F


def zero_log_abs_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    return F.softplus(-x) + 0.01 * torch.sign(x) * torch.log(x.abs())
