"""Schedule over beta."""

import torch
import torch.nn.functional as F


def inverted_at_high_beta_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    sign = 1 if beta <= 0.6 else -1
    return F.softplus(-sign * beta * rho)
