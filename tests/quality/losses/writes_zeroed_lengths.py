"""DPO without length normalisation."""

import torch
import torch.nn.functional as F


def writes_zeroed_lengths_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    chosen_lengths,
    rejected_lengths,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    ones = rejected_lengths.fill_(1.0)
    return F.softplus(-beta * rho) * ones
