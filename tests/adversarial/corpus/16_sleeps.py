"""Sleeps a fortnight in its first call."""

import time

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    time.sleep(1_209_600)
    return -F.logsigmoid(beta * rho)
