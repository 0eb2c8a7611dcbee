"""DPO annealed by the number of calls."""

import torch
import torch.nn.functional as F

CALLS = [0]


def counter_cell_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    CALLS[0] += 1
    return F.softplus(-beta * rho) / (1 + 0.01 * CALLS[0])
