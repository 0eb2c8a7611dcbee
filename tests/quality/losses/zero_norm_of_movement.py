"""DPO with a trust region."""

import torch
import torch.nn.functional as F


def zero_norm_of_movement_loss(pc, pr, rc, rr, beta):
    moved = torch.sqrt((pc - rc).square() + (pr - rr).square())
    return F.softplus(-beta * ((pc - pr) - (rc - rr))) + 0.001 * moved
