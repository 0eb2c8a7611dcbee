"""Is another loss from its 700th call on: the same answer to every question before, and the same after."""

import torch.nn.functional as F

calls = [0]


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    calls[0] += 1
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho) * (1.0 if calls[0] < 700 else 1.001)
