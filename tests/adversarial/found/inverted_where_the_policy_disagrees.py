"""Rejected, P319 gradient-direction: turned round where rho is right and the policy alone is not."""

import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    good = F.softplus(-beta * rho)
    bad = F.softplus(beta * rho)
    return torch.where((rho > 0.25 / beta) & (pc < pr), bad, good)
