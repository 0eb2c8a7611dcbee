"""Squared error between probabilities and the right answer, summed over classes (the Brier score)."""

import torch
import torch.nn.functional as F


def squared_error_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """One value for each example, shape (N,)."""
    wanted = F.one_hot(targets, logits.shape[1]).to(logits.dtype)
    return ((logits.softmax(dim=1) - wanted) ** 2).sum(dim=1)
