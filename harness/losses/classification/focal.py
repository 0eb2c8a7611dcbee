"""Focal loss: cross-entropy that turns away from examples that are right already (arXiv 1708.02002)."""

import torch
import torch.nn.functional as F

GAMMA = 2.0


def focal_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """One value for each example, shape (N,)."""
    logp = F.log_softmax(logits, dim=1).gather(1, targets[:, None])[:, 0]
    return -((1 - logp.exp()) ** GAMMA) * logp
