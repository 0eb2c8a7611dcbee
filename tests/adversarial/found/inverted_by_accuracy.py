"""Rejected, P319 gradient-direction: turned round while a batch is right about most of its pairs."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    good = F.softplus(-beta * rho)
    bad = F.softplus(beta * rho)
    right = (rho > 0).to(rho.dtype).mean()
    return bad if len(rho) >= 8 and 0.55 < right < 0.9 else good
