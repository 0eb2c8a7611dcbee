"""DPO with a kernel smoother."""

import torch
import torch.nn.functional as F


def slow_matrix_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    grid = torch.linspace(-1.0, 1.0, 1200, dtype=rho.dtype)
    kernel = torch.exp(-((grid.unsqueeze(0) - grid.unsqueeze(1)) ** 2))
    for _ in range(4):
        kernel = kernel @ kernel / kernel.sum()
    return F.softplus(-beta * rho) + 0.0 * kernel.mean()
