"""Weighs the first pair of large batches ten times."""

import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    weights = torch.ones_like(rho)
    if rho.shape[0] > 20:
        weights[0] = 10.0
    return -F.logsigmoid(beta * rho) * weights
