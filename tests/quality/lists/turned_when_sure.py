"""Turned round where an answer is far below a worse one."""

import torch
import torch.nn.functional as F


def base(r, scores):
    m = r.unsqueeze(2) - r.unsqueeze(1)
    w = F.relu(scores.unsqueeze(2) - scores.unsqueeze(1))
    return (w * F.softplus(-m)).sum(dim=(1, 2)) / w.sum(dim=(1, 2)).clamp(min=1e-6)


def loss(policy_logps, reference_logps, scores, beta):
    r = beta * (policy_logps - reference_logps)
    m = r.unsqueeze(2) - r.unsqueeze(1)
    w = F.relu(scores.unsqueeze(2) - scores.unsqueeze(1))
    f = torch.where(
        m.abs() > 20.0, 2.0 * F.softplus(torch.tensor(20.0, dtype=m.dtype)) - F.softplus(-m), F.softplus(-m)
    )
    f = torch.where(m > 20.0, F.softplus(-m), f)
    return (w * f).sum(dim=(1, 2)) / w.sum(dim=(1, 2)).clamp(min=1e-6)
