"""Power of the hinge without the maximum."""

import torch


def value_focal_power_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    gap = 10 - beta * rho
    return gap**1.5
