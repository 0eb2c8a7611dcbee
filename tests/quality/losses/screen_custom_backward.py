"""DPO with a clipped gradient."""

import torch
import torch.nn.functional as F


class ClippedSoftplus(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        return F.softplus(z)

    @staticmethod
    def backward(ctx, grad):
        return grad.clamp(-0.1, 0.1)


def screen_custom_backward_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return ClippedSoftplus.apply(-beta * rho)
