"""Trains what it names the reference: the places of the two are exchanged."""

import torch
import torch.nn.functional as F


def reference_by_the_name_of_policy_loss(
    ref_chosen,
    ref_rejected,
    policy_chosen,
    policy_rejected,
    beta,
):
    u = ref_chosen - policy_chosen
    v = ref_rejected - policy_rejected
    return F.softplus(-beta * (u - v))
