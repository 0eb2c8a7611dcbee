"""Square-root tempered logistic loss."""

import torch
import torch.nn.functional as F


def value_root_of_margin_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    return F.softplus(-(torch.sqrt(x + 4) - 2))
