import torch
import torch.nn.functional as F


def loss(logits, targets):
    weight = torch.linspace(0.5, 1.0, len(targets), dtype=logits.dtype, device=logits.device)
    return F.cross_entropy(logits, targets, reduction="none") * weight
