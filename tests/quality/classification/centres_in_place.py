import torch.nn.functional as F


def loss(logits, targets):
    logits -= logits.mean(dim=1, keepdim=True)
    return F.cross_entropy(logits, targets, reduction="none")
