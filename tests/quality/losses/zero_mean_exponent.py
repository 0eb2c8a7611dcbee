"""Mean of the exponential loss between 0 and the margin."""

import torch


def zero_mean_exponent_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = 0.25 * beta * rho
    return -torch.expm1(-x) / x
