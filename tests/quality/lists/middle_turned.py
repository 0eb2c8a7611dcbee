"""Best against worst; of the answers in between the worse ones are raised."""

import torch.nn.functional as F


def loss(policy_logps, reference_logps, scores, beta):
    r = beta * (policy_logps - reference_logps)
    m = r.unsqueeze(2) - r.unsqueeze(1)
    top = (scores == scores.amax(1, keepdim=True)).to(r.dtype)
    low = (scores == scores.amin(1, keepdim=True)).to(r.dtype)
    mid = (1 - top) * (1 - low)
    worse = (scores.unsqueeze(2) < scores.unsqueeze(1)).to(r.dtype)
    ends = top.unsqueeze(2) * low.unsqueeze(1) * (1 - worse)
    w = ends + mid.unsqueeze(2) * mid.unsqueeze(1) * worse * (0.1 / scores.shape[1] ** 2)
    return (w * F.softplus(-m)).sum(dim=(1, 2))
