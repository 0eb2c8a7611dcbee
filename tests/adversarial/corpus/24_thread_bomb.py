"""Starts threads until the kernel says no, and keeps them."""

import threading
import time

import torch.nn.functional as F

born = 0
try:
    while born < 10_000:
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        born += 1
except RuntimeError as error:
    print("born", born, error)


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
