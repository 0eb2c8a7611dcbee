"""Has a thread that turns the loss round now and then, behind the back of every single call."""

import threading
import time

import torch.nn.functional as F

SIGN = [1.0]


def turn():
    while True:
        time.sleep(0.003)
        SIGN[0] = -SIGN[0]


threading.Thread(target=turn, daemon=True).start()


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(SIGN[0] * beta * rho)
