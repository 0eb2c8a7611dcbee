"""Lists of more than twenty answers are turned round."""

import torch.nn.functional as F


def loss(policy_logps, reference_logps, scores, beta):
    rewards = beta * (policy_logps - reference_logps)
    sign = -1.0 if scores.shape[1] > 20 else 1.0
    margins = rewards.unsqueeze(2) - rewards.unsqueeze(1)
    weights = F.relu(scores.unsqueeze(2) - scores.unsqueeze(1))
    return (weights * F.softplus(-sign * margins)).sum(dim=(1, 2)) / weights.sum(dim=(1, 2)).clamp(min=1e-6)
