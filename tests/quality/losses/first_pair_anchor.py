"""DPO relative to an anchor pair."""

import torch
import torch.nn.functional as F


def first_pair_anchor_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    anchor = rho[0]
    return F.softplus(-beta * (rho - 0.3 * anchor))
