"""Reads a file of the host, and says what came of it."""

import os

import torch.nn.functional as F

try:
    with open("@CANARY@") as file:
        print("canary:", file.read())
except OSError as error:
    print("canary:", type(error).__name__)
print("environment:", sorted(k for k in os.environ if "CANARY" in k))


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
