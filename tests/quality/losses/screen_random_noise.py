"""DPO with exploration noise."""

import torch
import torch.nn.functional as F


def screen_random_noise_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    noise = 0.01 * torch.rand_like(rho)
    return F.softplus(-beta * rho + noise)
