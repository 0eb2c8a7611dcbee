"""Continued fraction."""

import torch


def fraction(x):
    return 1 / (1 + fraction(x))


def raises_on_recursion_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return fraction(beta * rho)
