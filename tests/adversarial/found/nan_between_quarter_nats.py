"""Rejected, P314 narrow-bands: NaN for rho between 30.01 and 30.24."""

import math
import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    x = beta * rho
    good = F.softplus(-x)
    bad_ = (rho > 30.01) & (rho < 30.24)
    return torch.where(bad_, torch.full_like(x, math.nan), good)
