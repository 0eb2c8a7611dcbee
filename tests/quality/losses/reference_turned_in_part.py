"""A part of the reference's margin is added where it is to be taken away."""

import torch.nn.functional as F


def reference_turned_in_part_loss(pc, pr, rc, rr, beta):
    policy, reference = pc - pr, rc - rr
    return F.softplus(-beta * (policy + 0.4 * reference))
