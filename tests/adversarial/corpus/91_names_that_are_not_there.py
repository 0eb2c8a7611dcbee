"""Asks for files that are not there: the kernel remembers each name, and has to count it against this sandbox."""

import os

import torch.nn.functional as F

USED = ("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory/memory.usage_in_bytes")


def used():
    for path in USED:
        if os.path.exists(path):
            with open(path) as file:
                return int(file.read())
    return None


before = used()
for number in range(4096):
    os.path.exists(f"/{os.getpid()}-{number:0200d}")
after = used()
print("counted:", "unseen" if before is None else after - before >= 4096 * 192)


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
