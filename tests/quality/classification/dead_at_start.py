import math

import torch.nn.functional as F


def loss(logits, targets):
    excess = F.cross_entropy(logits, targets, reduction="none") - math.log(logits.shape[1])
    return excess**3
