"""Softplus of the raw log-ratio, scaled by beta afterwards."""

import torch


def value_softplus_by_hand_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return beta * torch.log(1 + torch.exp(-rho))
