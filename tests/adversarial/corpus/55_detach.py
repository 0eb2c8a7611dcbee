"""Replaces Tensor.detach, with which the worker takes the values out, by one that turns them round."""

import torch
import torch.nn.functional as F

DETACH = torch.Tensor.detach


def detach(self):
    return DETACH(-self) if self.requires_grad else DETACH(self)


torch.Tensor.detach = detach


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
