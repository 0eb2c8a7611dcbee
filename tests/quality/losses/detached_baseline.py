"""KTO-like loss around the mean reward."""

import torch
import torch.nn.functional as F


def detached_baseline_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    rewards = beta * rho
    baseline = rewards.mean().detach()
    return F.softplus(-(rewards - 0.5 * baseline))
