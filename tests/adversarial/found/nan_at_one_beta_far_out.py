"""Rejected, P314 narrow-bands: NaN at beta 0.05 for |rho| between 300 and 301."""

import math
import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    x = beta * rho
    good = F.softplus(-x)
    bad_ = (rho.abs() > 300) & (rho.abs() < 301)
    return torch.where(bad_, torch.full_like(x, math.nan), good) if beta == 0.05 else good
