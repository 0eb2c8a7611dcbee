"""Opens files until the kernel says no, keeps them, and closes what it did not open."""

import os

import torch.nn.functional as F

held = []
try:
    while len(held) < 1_000_000:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError as error:
    print("held", len(held), type(error).__name__, error.errno)


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
