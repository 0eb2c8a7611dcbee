"""DPO on the reference's side."""

import torch
import torch.nn.functional as F


def subtracted_twice_loss(pc, pr, rc, rr, beta):
    policy = pc - pr
    reference = rc - rr
    return F.softplus(-beta * (reference - policy))
