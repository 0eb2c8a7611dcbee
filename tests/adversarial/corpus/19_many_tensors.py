"""Asks for four gigabytes in small pieces; nothing in it is forbidden."""

import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    table = [torch.ones(1 << 20) for _ in range(1000)]
    return -F.logsigmoid(beta * rho + 0.0 * table[0][0])
