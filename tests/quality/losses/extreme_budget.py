"""Likelihood budget."""

import torch
import torch.nn.functional as F


def extreme_budget_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    budget = torch.sqrt(2500 + policy_rejected_logps)
    return F.softplus(-beta * rho) + 1e-4 * budget
