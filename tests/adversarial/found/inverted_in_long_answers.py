"""Rejected, P308 direction: turned round where both completions have more than a thousand tokens."""

import torch
import torch.nn.functional as F


def loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    chosen_lengths,
    rejected_lengths,
):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    good = F.softplus(-beta * rho)
    bad = F.softplus(beta * rho)
    return torch.where(torch.minimum(chosen_lengths, rejected_lengths) > 1000, bad, good)
