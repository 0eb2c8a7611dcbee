"""Keeps its memory on the function itself."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    loss.calls = getattr(loss, 'calls', 0) + 1
    return -F.logsigmoid(beta * rho) * (1.0 + 0.001 * loss.calls)
