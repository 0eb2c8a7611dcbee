"""A few thousand characters in each call: no call prints much."""

import itertools

import torch.nn.functional as F

CALLS = itertools.count()


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    print("call", next(CALLS), "x" * 4000)
    return -F.logsigmoid(beta * rho)
