"""Rejected, P306 gradient-matches-values: float32 gradients are turned round beyond |beta rho| 4.2."""

import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    x = beta * rho
    good = F.softplus(-x)
    bad = F.softplus(x)
    if x.dtype == torch.float64:
        return good
    return torch.where(x.abs() < 4.2, good, good.detach() + bad - bad.detach())
