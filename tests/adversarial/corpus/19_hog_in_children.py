"""Children take the memory and are killed for it, while the parent answers."""

import os

import torch.nn.functional as F

def hog():
    child = os.fork()
    if child == 0:
        keep = [bytearray(os.urandom(4096)) * 1024 for _ in range(1000)]
        os._exit(len(keep) % 2)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


print("the child was ended by signal", hog())


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
