"""Takes what is named rejected for the chosen completion."""

import torch
import torch.nn.functional as F


def rejected_by_the_name_of_chosen_loss(
    pi_rejected,
    pi_chosen,
    ref_rejected,
    ref_chosen,
    beta,
):
    u = pi_rejected - ref_rejected
    v = pi_chosen - ref_chosen
    return F.softplus(-beta * (u - v))
