"""f-DPO (arXiv 2309.16240) by the alpha-divergence at 1/2, its exponent held below 80."""

import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    score = [-2.0 * (torch.exp((-0.5 * drift).clamp(max=80.0)) - 1.0) for drift in (pc - rc, pr - rr)]
    return F.softplus(-beta * (score[0] - score[1]))
