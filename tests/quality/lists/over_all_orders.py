"""A loop in Python over lists and pairs."""

import torch
import torch.nn.functional as F


def loss(policy_logps, reference_logps, scores, beta):
    rewards = beta * (policy_logps - reference_logps)
    total = []
    for row in range(scores.shape[0]):
        value = 0.0 * rewards[row].sum()
        for _ in range(4):
            for i in range(scores.shape[1]):
                for j in range(scores.shape[1]):
                    if scores[row, i] > scores[row, j]:
                        value = value + F.softplus(rewards[row, j] - rewards[row, i])
        total.append(value)
    return torch.stack(total)
