"""Square root of the hinge."""

import torch


def gradient_root_hinge_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    margin = (1 - x) * (x < 1).to(x.dtype)
    return torch.sqrt(margin)
