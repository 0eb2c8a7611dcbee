"""DPO on a frozen margin."""

import torch
import torch.nn.functional as F


def detached_margin_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    rho = rho.detach()
    return F.softplus(-beta * rho)
