"""Logistic loss through a stacked head."""

import torch
import torch.nn.functional as F


def shape_column_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    heads = torch.stack([beta * rho], dim=1)
    return F.softplus(-heads)
