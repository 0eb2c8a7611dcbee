"""Asks for a core dump of the largest size, and aborts."""

import os
import resource

import torch.nn.functional as F

try:
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print("core: granted")
except (OSError, ValueError) as error:
    print("core:", type(error).__name__, resource.getrlimit(resource.RLIMIT_CORE))


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    os.abort()
    return -F.logsigmoid(beta * rho)
