"""Two names say the same of a completion: nothing tells which of the two is which."""

import torch
import torch.nn.functional as F


def two_names_for_one_loss(
    policy_chosen,
    policy_win,
    ref_chosen,
    ref_rejected,
    beta,
):
    u = policy_chosen - ref_chosen
    v = policy_win - ref_rejected
    return F.softplus(-beta * (u - v))
