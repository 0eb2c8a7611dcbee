"""Rejected, P308 direction: right only where both completions are equally long."""

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
    x = beta * rho
    good = F.softplus(-x)
    bad = F.softplus(x)
    return torch.where(chosen_lengths == rejected_lengths, good, bad)
