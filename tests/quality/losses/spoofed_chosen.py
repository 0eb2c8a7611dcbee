"""DPO that leaves the rejected answer alone."""

import torch
import torch.nn.functional as F


def spoofed_chosen_loss(pc, pr, rc, rr, beta):
    rho = (pc - pr.detach()) - (rc - rr)
    return F.softplus(-beta * rho)
