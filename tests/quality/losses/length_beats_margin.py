"""Hinge above one."""

import torch
import torch.nn.functional as F


def length_beats_margin_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return F.relu(1 + beta * rho)
