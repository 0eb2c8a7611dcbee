"""DBAQL: needs batches of two pairs or more, because the variance of one pair is NaN."""

import torch
import torch.nn.functional as F


def dbaql(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    tau, shrink = 0.05, 0.9
    z = beta * (policy_chosen_logps - policy_rejected_logps - (reference_chosen_logps - reference_rejected_logps))
    share = torch.sigmoid(torch.var(z / tau))
    return share * F.softplus(-z / shrink) + (1 - share) * torch.exp(-z * shrink)
