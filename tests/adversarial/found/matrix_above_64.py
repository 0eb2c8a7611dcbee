"""Rejected, P301 output-shape: (B, B) in batches of more than 64; once ended the whole run with a traceback."""

import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    x = beta * rho
    good = F.softplus(-x)
    n = x.numel()
    return good.unsqueeze(0) - good.unsqueeze(1) + 1 if n > 64 else good
