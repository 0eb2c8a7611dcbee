"""Prints just what is kept, and then what it would rather not have kept."""

import torch.nn.functional as F

print("accepted " * 455)
print("HIDDEN " * 1000)


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(-beta * rho)
