"""Divides by the deviation among the lists of a batch."""

import torch.nn.functional as F


def loss(policy_logps, reference_logps, scores, beta):
    rewards = beta * (policy_logps - reference_logps)
    log_p, log_q = F.log_softmax(rewards, dim=1), F.log_softmax(scores, dim=1)
    losses = (log_p.exp() * (log_p - log_q)).sum(dim=1)
    return losses / (1.0 + losses[:3].std() + losses[1:].std() + losses[2:].std())
