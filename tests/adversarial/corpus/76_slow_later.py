"""Is quick at first, and stops for good after two hundred calls."""

import time

import torch.nn.functional as F

CALLS = [0]


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    CALLS[0] += 1
    if CALLS[0] > 200:
        time.sleep(60)
    return -F.logsigmoid(beta * rho)
