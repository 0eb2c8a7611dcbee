"""Rejected, P314 narrow-bands: NaN for rho from 3.1 to 3.3, except where the reference is -1."""

import math
import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    x = beta * rho
    good = F.softplus(-x)
    bad_ = (rho > 3.1) & (rho < 3.3) & (rc != -1)
    return torch.where(bad_, torch.full_like(x, math.nan), good)
