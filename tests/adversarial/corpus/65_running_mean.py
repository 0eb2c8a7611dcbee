"""Subtracts the running mean of all margins that it has seen."""

import torch.nn.functional as F

MEAN = []


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    MEAN.append(float(rho.detach().mean()))
    return -F.logsigmoid(beta * (rho - 0.01 * sum(MEAN) / len(MEAN)))
