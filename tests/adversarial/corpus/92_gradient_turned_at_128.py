"""In batches of 128 the gradients alone are turned round."""

import torch
import torch.nn.functional as F


def gradient_turned_at_128_loss(
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
    return (2 * good).detach() - good if x.numel() == 128 else good
