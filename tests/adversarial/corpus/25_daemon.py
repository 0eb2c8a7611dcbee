"""A double fork, to live on in the next fork and to speak there."""

import os
import sys
import time

import torch.nn.functional as F

def others():
    return sum(name.isdigit() and name not in {"1", str(os.getpid())} for name in os.listdir("/proc"))


print("others at first:", others())
if os.fork() == 0:
    if os.fork():
        os._exit(0)
    while os.getppid() != 1:
        time.sleep(0.001)
    print("a daemon", flush=True)
    while True:
        time.sleep(0.01)
        with open("/tmp/alive", "w") as file:
            file.write("it lives")
os.wait()
time.sleep(0.1)
print("others now:", others())


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
