"""DPO through the class of the margin."""

import torch
import torch.nn.functional as F


def screen_dunder_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    kind = rho.__class__
    return F.softplus(-beta * rho) * kind.__len__(rho) / rho.shape[0]
