"""Hooks itself to the policy's log-probabilities and turns their gradients round."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    for tensor in (policy_chosen_logps, policy_rejected_logps):
        tensor.register_hook(lambda gradient: -gradient)
    return -F.logsigmoid(beta * rho)
