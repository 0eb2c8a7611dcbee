"""Cube-root tempered margin."""

import torch
import torch.nn.functional as F


def zero_cube_root_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    return F.softplus(-torch.sign(x) * x.abs().pow(1 / 3))
