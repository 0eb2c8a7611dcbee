"""DPO with a scale."""

import torch.nn.functional as F

WARM_UP = 0
SCALE = 1 / WARM_UP


def load_division_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return F.softplus(-beta * rho) * SCALE
