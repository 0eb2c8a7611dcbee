"""DPO in double precision."""

import torch
import torch.nn.functional as F


def screen_default_dtype_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    torch.set_default_dtype(torch.float64)
    return F.softplus(-beta * rho)
