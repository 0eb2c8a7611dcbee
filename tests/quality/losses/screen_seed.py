"""DPO with a fixed jitter."""

import torch
import torch.nn.functional as F


def screen_seed_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    torch.manual_seed(0)
    return F.softplus(-beta * rho)
