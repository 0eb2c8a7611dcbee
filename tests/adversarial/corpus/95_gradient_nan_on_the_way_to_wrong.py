"""Right values, and gradients that are no number where a float64 batch has gone clearly wrong."""

import torch
import torch.nn.functional as F


def gradient_nan_on_the_way_to_wrong_loss(
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
    gone = x.dtype == torch.float64 and float(x.mean()) < -2
    return good + torch.sqrt(0 * x) if gone else good
