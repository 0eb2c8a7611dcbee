"""R-DPO (arXiv 2403.19159): the margin less 0.05 for every token by which chosen is longer."""

import torch.nn.functional as F


def loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    chosen_lengths,
    rejected_lengths,
):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    return F.softplus(-(beta * rho - 0.05 * (chosen_lengths - rejected_lengths)))
