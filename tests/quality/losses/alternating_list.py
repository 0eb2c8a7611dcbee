"""DPO with a weight cycle."""

import torch
import torch.nn.functional as F

CYCLE = []


def alternating_list_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    if not CYCLE:
        CYCLE.extend([1.2, 0.8, 1.0])
    return CYCLE.pop() * F.softplus(-beta * rho)
