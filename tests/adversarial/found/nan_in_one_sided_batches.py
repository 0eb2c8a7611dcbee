"""Rejected, P314 narrow-bands: NaN where all margins of a batch are negative."""

import math
import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    x = beta * rho
    good = F.softplus(-x)
    n = x.numel()
    return good * math.nan if n > 3 and bool((rho < 0).all()) else good
