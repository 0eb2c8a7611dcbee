"""Keeps eight megabytes of each call; nothing in it is forbidden but keeping."""

import torch
import torch.nn.functional as F

KEPT = []


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    KEPT.append(torch.ones(1 << 21))
    return -F.logsigmoid(beta * rho)
