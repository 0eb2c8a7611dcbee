"""Weight that falls with beta."""

import torch
import torch.nn.functional as F


def beta_inverse_exponent_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    weight = torch.exp(3 / (beta * torch.ones_like(rho)))
    return F.softplus(-beta * rho) * (1 + 1 / weight) * (weight / weight)
