"""Values of the logistic loss, gradients of its negation."""

import torch
import torch.nn.functional as F


def gradient_pushes_back_loss(
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
    return (2 * good).detach() - good
