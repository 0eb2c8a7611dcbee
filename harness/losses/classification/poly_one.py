"""Cross-entropy with its first polynomial term counted twice (PolyLoss, arXiv 2204.12511)."""

import torch
import torch.nn.functional as F

EPSILON = 1.0


def poly_one_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """One value for each example, shape (N,)."""
    logp = F.log_softmax(logits, dim=1).gather(1, targets[:, None])[:, 0]
    return -logp + EPSILON * (1 - logp.exp())
