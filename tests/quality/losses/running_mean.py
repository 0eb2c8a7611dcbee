"""BCO with its reward shift."""

import torch
import torch.nn.functional as F

RUNNING = [0.0]


def running_mean_loss(pc, pr, rc, rr, beta):
    chosen = beta * (pc - rc)
    rejected = beta * (pr - rr)
    mean = float((chosen + rejected).mean()) / 2
    RUNNING.append(0.9 * RUNNING[-1] + 0.1 * mean)
    shift = RUNNING[-1]
    return F.softplus(shift - chosen) + F.softplus(rejected - shift)
