"""Shares of scores, whose sum can be zero."""

import torch.nn.functional as F


def loss(policy_logps, reference_logps, scores, beta):
    rewards = beta * (policy_logps - reference_logps)
    shares = scores - scores.min(dim=1, keepdim=True).values
    shares = shares / shares.sum(dim=1, keepdim=True)
    return -(shares * F.log_softmax(rewards, dim=1)).sum(dim=1)
