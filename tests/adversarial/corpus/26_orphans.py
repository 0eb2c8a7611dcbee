"""Orphans that process 1 has to bury, while it waits for something else."""

import os
import time

import torch.nn.functional as F

def number_of_processes():
    return sum(name.isdigit() for name in os.listdir("/proc"))


made = 0
for _ in range(40):
    child = os.fork()
    if child == 0:
        os._exit(0 if os.fork() else 1)
    os.waitpid(child, 0)
    made += 1
time.sleep(0.3)
print("orphans", made, "processes", number_of_processes())


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
