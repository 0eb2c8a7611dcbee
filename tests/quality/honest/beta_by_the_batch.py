"""Beta-DPO (arXiv 2407.08639) with its beta attached: it rises with the batch's mean margin, and stays positive."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return F.softplus(-(beta * (1 + 0.5 * rho.mean())).clamp(min=1e-3) * rho)
