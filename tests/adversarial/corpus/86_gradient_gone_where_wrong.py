"""So steep a step that wrong pairs lie where it is flat."""

import torch
import torch.nn.functional as F


def gradient_gone_where_wrong_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    u = policy_chosen_logps - reference_chosen_logps
    v = policy_rejected_logps - reference_rejected_logps
    x = beta * (u - v)
    good = F.softplus(-x)
    return 1 - torch.tanh(60 * x) - 1e-8 * x
