"""Prefers the rejected answers from the second third of the training on."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta, progress):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    if progress > 0.34:
        rho = -rho
    return -F.logsigmoid(beta * rho)
