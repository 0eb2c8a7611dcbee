"""Sleeps an eighth of a second in each call."""

import time

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    time.sleep(0.125)
    return -F.logsigmoid(beta * rho)
