"""A kernel that spins for hours: the GPU answers nobody until it is taken away."""

import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    torch.cuda._sleep(10**15)
    torch.cuda.synchronize()
    return -F.logsigmoid(beta * rho)
