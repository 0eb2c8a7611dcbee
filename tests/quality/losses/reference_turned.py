import torch.nn.functional as F


def loss(pc, pr, rc, rr, beta):
    return F.softplus(-beta * ((pc - pr) + (rc - rr)))
