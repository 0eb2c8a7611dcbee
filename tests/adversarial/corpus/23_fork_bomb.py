"""Forks until the kernel says no."""

import os
import time

import torch.nn.functional as F

born = 0
while born < 10_000:
    try:
        if os.fork() == 0:
            time.sleep(1000)
            os._exit(0)
    except OSError as error:
        print("born", born, type(error).__name__, error.errno)
        break
    born += 1


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
