"""Probabilities that underflow, and their logarithms."""

import torch


def loss(policy_logps, reference_logps, scores, beta):
    rewards = beta * (policy_logps - reference_logps)
    p, q = torch.softmax(rewards, dim=1), torch.softmax(scores, dim=1)
    return (p * torch.log(p / q)).sum(dim=1)
