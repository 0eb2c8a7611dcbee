"""DPO with a decaying bonus."""

import torch
import torch.nn.functional as F


def make_bonus():
    steps = []

    def bonus():
        steps.append(None)
        return 1.0 / len(steps)

    return bonus


bonus = make_bonus()


def closure_state_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return F.softplus(-beta * rho) + bonus()
