"""Lets all tensors say that they need no gradient: nothing is left to be compared."""

import torch
import torch.nn.functional as F

torch.Tensor.requires_grad = False


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(-beta * rho)
