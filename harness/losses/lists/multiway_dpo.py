"""Weighted multi-way DPO (after arXiv 2412.07812): DPO over every pair of a list, by how far its scores are apart.

The sum over i better than j of w_ij softplus(-(r_i - r_j)) with r = beta times the log-ratio and w_ij = s_i - s_j over
the list's sum of such differences; a list of equal scores costs nothing. The paper has no closed form: the weights are
a reading of its "deviation from the average reward", as the project's notes on it say.
"""

import torch
import torch.nn.functional as F


def multiway_dpo_loss(
    policy_logps: torch.Tensor, reference_logps: torch.Tensor, scores: torch.Tensor, beta: float
) -> torch.Tensor:
    """One value for each list, shape (B,); all tensors have the shape (B, K)."""
    rewards = beta * (policy_logps - reference_logps)
    margins = rewards.unsqueeze(2) - rewards.unsqueeze(1)
    weights = F.relu(scores.unsqueeze(2) - scores.unsqueeze(1))
    whole = weights.sum(dim=(1, 2)).clamp(min=1e-6)
    return (weights * F.softplus(-margins)).sum(dim=(1, 2)) / whole
