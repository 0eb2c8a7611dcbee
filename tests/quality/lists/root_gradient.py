"""A root at zero: its value is fine, its gradient is not."""

import torch
import torch.nn.functional as F


def loss(policy_logps, reference_logps, scores, beta):
    rewards = beta * (policy_logps - reference_logps)
    log_p, log_q = F.log_softmax(rewards, dim=1), F.log_softmax(scores, dim=1)
    gap = (log_p.exp() * (log_p - log_q)).sum(dim=1)
    return gap + torch.sqrt((rewards - rewards.mean(dim=1, keepdim=True)).pow(2) * 0.0).sum(dim=1)
