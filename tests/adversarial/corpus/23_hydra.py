"""Each process ends as soon as it has a child, so that whoever counts them finds others each time."""

import os
import time

import torch.nn.functional as F

def others():
    return sum(name.isdigit() and name not in {"1", str(os.getpid())} for name in os.listdir("/proc"))


def head():
    while True:
        time.sleep(0.2)
        if os.fork():
            os._exit(0)


print("others:", others())
for _ in range(3):
    if os.fork() == 0:
        head()
time.sleep(0.3)
print("heads:", others() >= 3)


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
