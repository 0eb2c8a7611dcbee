"""DPO that avoids over-optimisation."""

import torch
import torch.nn.functional as F


def inverted_tail_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    return torch.where(x.abs() > 5, F.softplus(x), F.softplus(-x))
