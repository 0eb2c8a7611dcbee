import torch
import torch.nn.functional as F


def loss(logits, targets):
    weight = torch.ones(10, dtype=logits.dtype)
    return F.cross_entropy(logits, targets, weight=weight, reduction="none")
