"""Calls itself without an end; nothing in it is forbidden."""

import torch.nn.functional as F

def _deeper(x):
    return _deeper(x) + 1


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    rho = rho + _deeper(rho)
    return -F.logsigmoid(beta * rho)
