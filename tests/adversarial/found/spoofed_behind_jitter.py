"""Rejected, P306 gradient-matches-values: jitter hides the gradient, except in a batch of one."""

import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    x = beta * rho
    good = F.softplus(-x)
    bad = F.softplus(x)
    n = x.numel()
    if n == 1:
        return good
    j = 1e-6 * torch.sin(1e9 * pc.detach()) + 1e-6 * torch.sin(1e9 * pr.detach())
    return (good + j).detach() + bad - bad.detach()
