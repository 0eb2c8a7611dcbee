"""Unlikelihood of the rejected answer."""

import torch
import torch.nn.functional as F


def rejected_only_loss(pc, pr, rc, rr, beta):
    return F.softplus(beta * (pr - rr))
