"""Fixed point of the logistic loss."""

import torch
import torch.nn.functional as F


def hang_until_converged_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    y = torch.ones_like(x)
    while (y - 0.5).abs().max() > 0:
        y = torch.sigmoid(4 * y)
    return F.softplus(-x) * y
