"""DPO on what moved."""

import torch


def start_gated_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    moved = torch.tanh(x).square()
    return 1 - moved * torch.tanh(x)
