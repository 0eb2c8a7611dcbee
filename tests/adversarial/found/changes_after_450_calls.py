"""Rejected, P310 no-hidden-state: another function from the 450th call on."""

import torch
import torch.nn.functional as F

CALLS = [0]


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    x = beta * rho
    good = F.softplus(-x)
    CALLS[0] += 1
    return good if CALLS[0] < 450 else good * 1.5
