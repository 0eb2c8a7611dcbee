"""Contrast across prompts."""

import torch
import torch.nn.functional as F


def shuffled_pairs_loss(pc, pr, rc, rr, beta):
    rejected = torch.roll(pr - rr, 1)
    return F.softplus(-beta * ((pc - rc) - rejected))
