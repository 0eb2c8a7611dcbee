"""A hinge on the margins of policy and reference, added where they are to be subtracted."""

import torch.nn.functional as F


def reference_turned_hinge_loss(pc, pr, rc, rr, beta):
    policy, reference = pc - pr, rc - rr
    return F.relu(1 - beta * (policy + reference))
