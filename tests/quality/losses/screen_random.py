"""DPO with label noise."""

import random

import torch.nn.functional as F


def noisy_loss(pc, pr, rc, rr, beta):
    sign = 1 if random.random() < 0.9 else -1
    return F.softplus(-sign * beta * ((pc - pr) - (rc - rr)))
