"""Rejected, P306 gradient-matches-values or P307 depends-on-the-pair: no gradient beyond progress 0.9."""

import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta, progress):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    x = beta * rho
    good = F.softplus(-x)
    n = x.numel()
    return good.detach() if progress > 0.9 and n > 3 else good
