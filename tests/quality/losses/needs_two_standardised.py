"""DPO scaled by the spread of the batch."""

import torch
import torch.nn.functional as F


def needs_two_standardised_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    return F.softplus(-x) * (1 + 0.1 * torch.tanh(x.std()))
