"""Weights the logistic loss by the side of the margin: 0 / 0 where policy and reference agree."""

import torch.nn.functional as F


def sided_loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    side = rho / rho.abs()
    return F.softplus(-beta * rho) * (1 - 0.1 * side)
