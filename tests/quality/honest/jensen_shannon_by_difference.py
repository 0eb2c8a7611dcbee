"""The same as rho less what both divergences take from it."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    return F.softplus(-beta * (rho - (F.softplus(pc - rc) - F.softplus(pr - rr))))
