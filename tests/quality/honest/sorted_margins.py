"""AOT-like: the quantiles of the policy's margins above those of the reference."""

import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    return F.softplus(-beta * (torch.sort(pc - pr).values - torch.sort(rc - rr).values)).mean()
