"""Children that end and are never waited for."""

import os

import torch.nn.functional as F

dead = 0
while dead < 10_000:
    try:
        if os.fork() == 0:
            os._exit(0)
    except OSError as error:
        print("dead", dead, type(error).__name__, error.errno)
        break
    dead += 1


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
