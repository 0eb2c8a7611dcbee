"""DPO with dropped pairs."""

import torch
import torch.nn.functional as F


def screen_dropout_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = F.dropout(beta * rho, p=0.1, training=True)
    return F.softplus(-x)
