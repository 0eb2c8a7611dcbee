"""Train on the pairs the policy gets wrong."""

import torch
import torch.nn.functional as F


def shape_nonzero_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    hard = rho < 1.0
    return F.softplus(-beta * rho[hard])
