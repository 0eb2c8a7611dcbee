"""Fisher transform of the bounded margin."""

import torch
import torch.nn.functional as F


def value_atanh_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    bounded = torch.tanh(beta * rho)
    return F.softplus(-torch.atanh(bounded))
