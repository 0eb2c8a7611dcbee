"""In odd batches above a hundred pairs the gradient is the sum's, and the value the mean's."""

import torch
import torch.nn.functional as F


def gradient_of_a_sum_at_odd_sizes_loss(
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
    odd = x.numel() > 100 and x.numel() % 2 == 1
    return good.detach() + x.numel() * (good - good.detach()) if odd else good
