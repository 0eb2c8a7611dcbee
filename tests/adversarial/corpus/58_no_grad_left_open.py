"""Leaves gradients switched off for whoever comes after it."""

import torch
import torch.nn.functional as F

torch._C._set_grad_enabled(False)


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
