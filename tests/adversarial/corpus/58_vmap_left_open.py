"""Leaves a transformation of functorch open, in which every tensor is a wrapper."""

import torch
import torch.nn.functional as F

torch._C._functorch._grad_increment_nesting()


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
