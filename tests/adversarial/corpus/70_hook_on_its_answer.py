"""Hooks itself to its own answer and scales what comes back."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    answer = -F.logsigmoid(beta * rho)
    answer.register_hook(lambda gradient: 3.0 * gradient)
    return answer
