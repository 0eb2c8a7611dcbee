"""Loops until something holds that never does; nothing in it is forbidden."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    while (x - x.mean()).abs().max() >= 0.0:
        x = 0.5 * (x + x.mean())
    return -F.logsigmoid(beta * rho)
