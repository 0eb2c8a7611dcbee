"""Weighs by the place in the batch."""

import torch
import torch.nn.functional as F


def loss(policy_logps, reference_logps, scores, beta):
    rewards = beta * (policy_logps - reference_logps)
    log_p, log_q = F.log_softmax(rewards, dim=1), F.log_softmax(scores, dim=1)
    losses = (log_p.exp() * (log_p - log_q)).sum(dim=1)
    return losses * torch.linspace(0.5, 1.5, losses.shape[0], dtype=losses.dtype)
