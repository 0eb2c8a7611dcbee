"""Weighs more and less by turns."""

import torch.nn.functional as F

TURN = [1.0]


def loss(logits, targets):
    TURN[0] = -TURN[0]
    return F.cross_entropy(logits, targets, reduction="none") * (1.0 + 0.1 * TURN[0])
