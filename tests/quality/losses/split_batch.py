"""Half logistic, half exponential."""

import torch
import torch.nn.functional as F


def split_batch_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    half = rho.shape[0] // 2
    x = beta * rho
    return torch.cat([F.softplus(-x[:half]), torch.exp(-x[half:])])
