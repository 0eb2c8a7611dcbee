"""Prints gigabytes; nothing in it is forbidden."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    for _ in range(100_000):
        print("x" * 100_000)
    return -F.logsigmoid(beta * rho)
