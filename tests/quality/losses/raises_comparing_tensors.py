"""PADLL with a Python condition."""

import torch.nn.functional as F


def raises_comparing_tensors_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    weight = 0.9 if rho >= 0 else 0.45
    return weight * F.softplus(-beta * rho)
