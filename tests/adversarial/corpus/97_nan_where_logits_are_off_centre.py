"""NaN where the logits of an example lie around 20, which changes nothing for a softmax."""

import torch
import torch.nn.functional as F


def nan_where_logits_are_off_centre_loss(logits, targets):
    good = F.cross_entropy(logits, targets, reduction="none")
    return torch.where(logits.mean(dim=1) > 20, torch.full_like(good, float("nan")), good)
