"""Adds a root of zero: nothing to the value, NaN to the gradient."""

import torch
import torch.nn.functional as F


def loss(logits, targets):
    spread = logits - logits.mean(dim=1, keepdim=True)
    return F.cross_entropy(logits, targets, reduction="none") + torch.sqrt(0.0 * spread.pow(2)).sum(dim=1)
