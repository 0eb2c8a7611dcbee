"""DPO with a quiet gradient."""

import torch
import torch.nn.functional as F


def spoofed_silence_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    losses = F.softplus(-beta * rho)
    weak = 0.001 * losses
    return weak + (losses - weak).detach()
