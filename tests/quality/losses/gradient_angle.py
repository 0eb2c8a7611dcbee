"""Angular margin."""

import torch


def gradient_angle_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    cosine = torch.tanh(beta * rho)
    return torch.acos(cosine)
