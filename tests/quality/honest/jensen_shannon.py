"""f-DPO (arXiv 2309.16240) by the Jensen-Shannon divergence, in its stable form."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    return F.softplus(-beta * (F.softplus(rr - pr) - F.softplus(rc - pc)))
