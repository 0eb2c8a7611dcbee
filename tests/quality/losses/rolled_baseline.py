"""DPO against the previous pair."""

import torch
import torch.nn.functional as F


def rolled_baseline_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    previous = torch.roll(rho, 1)
    return F.softplus(-beta * (rho - 0.2 * previous))
