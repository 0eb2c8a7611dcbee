import torch.nn.functional as F


def loss(logits, targets):
    values = F.cross_entropy(logits, targets, reduction="none")
    return values + 0.01 * values.std()
