"""DPO with a check."""

import torch.nn.functional as F


def raises_above_half_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    if beta > 0.5:
        raise ValueError("beta has to be at most 0.5")
    return F.softplus(-beta * rho)
