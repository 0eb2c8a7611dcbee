"""Turns with the number of its calls."""

import torch.nn.functional as F

CALLS = [0]


def loss(policy_logps, reference_logps, scores, beta):
    rewards = beta * (policy_logps - reference_logps)
    log_p, log_q = F.log_softmax(rewards, dim=1), F.log_softmax(scores, dim=1)
    CALLS[0] += 1
    return (log_p.exp() * (log_p - log_q)).sum(dim=1) * (1.0 + 1e-3 * (CALLS[0] > 100))
