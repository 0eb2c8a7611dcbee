"""The reference is added where it is to be taken off."""

import torch.nn.functional as F


def loss(policy_logps, reference_logps, scores, beta):
    rewards = beta * (policy_logps + reference_logps)
    return ((F.softmax(scores, dim=1).mean(dim=1, keepdim=True) - F.softmax(scores, dim=1)) * rewards).sum(dim=1)
