import torch.nn.functional as F

CALLS = [0]


def loss(logits, targets):
    CALLS[0] += 1
    return F.cross_entropy(logits, targets, reduction="none") * (1.0 + (CALLS[0] > 300))
