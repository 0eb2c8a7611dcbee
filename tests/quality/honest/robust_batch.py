"""Dr. DPO (arXiv 2407.07880): minus the logarithm of the batch's mean of exp(-loss), in log space."""

import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    good = F.softplus(-beta * rho)
    return -(torch.logsumexp(-good, dim=0) - torch.log(torch.tensor(float(len(rho)), dtype=rho.dtype)))
