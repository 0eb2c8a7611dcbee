import torch.nn.functional as F


def loss(pc, pr, rc, rr, beta):
    chosen = pc - rc
    rejected = pr + 0.2 * rr
    return F.softplus(-beta * (chosen - rejected))
