"""DPO with a table."""

import torch
import torch.nn.functional as F

TABLE = torch.linspace(0, 1)


def load_bad_constant_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return F.softplus(-beta * rho) * TABLE[0]
