"""Wants what nobody has."""

import torch.nn.functional as F


def loss(logits, labels, weights):
    return F.cross_entropy(logits, labels) * weights
