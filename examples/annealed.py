"""From the hinge to the logistic loss over the course of training: asks for `progress`."""

import torch
import torch.nn.functional as F


def annealed_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    progress,
):
    margin = beta * (
        (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    )
    return (1 - progress) * torch.relu(1 - margin) + progress * F.softplus(-margin)
