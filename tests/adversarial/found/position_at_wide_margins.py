"""Rejected, P312 permutation-equivariant: weights by position where a margin is beyond 4.1."""

import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    x = beta * rho
    good = F.softplus(-x)
    n = x.numel()
    w = torch.linspace(0.1, 1.9, n, dtype=x.dtype) if bool((x.abs() > 4.1).any()) and n > 1 else 1.0
    return w * good
