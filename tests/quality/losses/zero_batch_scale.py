"""Scale-free logistic loss."""

import torch
import torch.nn.functional as F


def zero_batch_scale_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    scale = rho.abs().max()
    return F.softplus(-beta * rho) + 0.001 * F.softplus(-rho / scale)
