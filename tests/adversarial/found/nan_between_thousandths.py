"""Rejected, P305 beta-range: NaN for every beta that is no multiple of 0.001."""

import math
import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    x = beta * rho
    good = F.softplus(-x)
    return good * math.nan if beta * 1000 % 1 > 1e-6 and beta * 1000 % 1 < 1 - 1e-6 else good
