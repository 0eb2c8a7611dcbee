"""Rejected, P306 gradient-matches-values: the gradient is turned round in batches of more than 16."""

import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    x = beta * rho
    good = F.softplus(-x)
    bad = F.softplus(x)
    n = x.numel()
    return good.detach() + bad - bad.detach() if n > 16 else good
