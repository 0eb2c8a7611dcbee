"""Rejected, P308 direction or P310 no-hidden-state: turns round for good after a batch of nine."""

import torch
import torch.nn.functional as F

S = []


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    x = beta * rho
    good = F.softplus(-x)
    bad = F.softplus(x)
    n = x.numel()
    if n == 9:
        S.append(1)
    return bad if S else good
