"""Weighs more and less by turns."""

import torch.nn.functional as F

TURN = [1.0]


def loss(policy_logps, reference_logps, scores, beta):
    rewards = beta * (policy_logps - reference_logps)
    log_p, log_q = F.log_softmax(rewards, dim=1), F.log_softmax(scores, dim=1)
    TURN[0] = -TURN[0]
    return (log_p.exp() * (log_p - log_q)).sum(dim=1) * (1.0 + 0.1 * TURN[0])
