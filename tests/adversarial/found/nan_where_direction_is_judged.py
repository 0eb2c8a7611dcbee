"""Rejected, P313 realistic-extremes: NaN in float64 where every margin is wide, which nobody but P306 and P308 asks."""

import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    good = F.softplus(-beta * rho)
    wide = pc.dtype == torch.float64 and float(rho.abs().min()) > 2.2 / beta
    return good * float("nan") if wide else good
