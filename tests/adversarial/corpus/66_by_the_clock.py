"""Is another loss in every odd millisecond."""

import time

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho) * (1.0 + 0.01 * (int(time.perf_counter() * 1000) % 2))
