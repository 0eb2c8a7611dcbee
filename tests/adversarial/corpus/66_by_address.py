"""Draws noise from the addresses of its objects."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho) * (1.0 + id(object()) % 8192 / 81920.0 + policy_chosen_logps.data_ptr() % 4096 / 40960.0)
