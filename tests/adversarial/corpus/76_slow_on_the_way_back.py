"""Is quick with its values, and sleeps while its gradients are computed."""

import time

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    rho.register_hook(lambda gradient: time.sleep(0.125))
    return -F.logsigmoid(beta * rho)
