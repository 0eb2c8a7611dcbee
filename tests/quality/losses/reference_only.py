"""Weight by how clear the pair is to the reference."""

import torch
import torch.nn.functional as F


def reference_only_loss(pc, pr, rc, rr, beta):
    return F.softplus(-beta * (rc - rr))
