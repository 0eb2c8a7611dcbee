"""Answers 300 times, and then never again."""

import itertools

import torch.nn.functional as F

CALLS = itertools.count(1)


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    while next(CALLS) > 300:
        pass
    return -F.logsigmoid(beta * rho)
