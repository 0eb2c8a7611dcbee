"""Rejected, P320 useful-gradient: next to nothing after the first half of the training, for a fifth of it."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta, progress):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    good = F.softplus(-beta * rho)
    return good * (1e-9 if 0.52 < progress < 0.74 else 1.0)
