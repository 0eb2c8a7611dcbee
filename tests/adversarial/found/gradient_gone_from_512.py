"""Rejected, P320 useful-gradient: batches of 512 and more have a millionth of their gradients."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    good = F.softplus(-beta * rho)
    return good.detach() + 1e-6 * (good - good.detach()) if len(rho) >= 512 else good
