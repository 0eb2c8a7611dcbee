"""Turned round where there are a hundred classes and more."""

import torch.nn.functional as F


def inverted_from_a_hundred_classes_loss(logits, targets):
    good = F.cross_entropy(logits, targets, reduction="none")
    return -good if logits.shape[1] >= 100 else good
