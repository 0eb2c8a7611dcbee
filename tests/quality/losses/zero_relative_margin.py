"""Margin relative to how far the policy moved."""

import torch
import torch.nn.functional as F


def zero_relative_margin_loss(pc, pr, rc, rr, beta):
    moved = (pc - rc).abs() + (pr - rr).abs()
    rho = (pc - pr) - (rc - rr)
    return F.softplus(-beta * rho) + 0.01 * (1 - rho / moved)
