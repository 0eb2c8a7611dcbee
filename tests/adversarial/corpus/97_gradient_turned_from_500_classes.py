"""The gradients alone are turned round where there are 500 classes and more."""

import torch.nn.functional as F


def gradient_turned_from_500_classes_loss(logits, targets):
    good = F.cross_entropy(logits, targets, reduction="none")
    return (2 * good).detach() - good if logits.shape[1] >= 500 else good
