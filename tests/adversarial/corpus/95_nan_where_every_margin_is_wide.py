"""NaN in float64 where every margin of a batch is wide, which is asked to compare and to differ from."""

import torch
import torch.nn.functional as F


def nan_where_every_margin_is_wide_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    u = policy_chosen_logps - reference_chosen_logps
    v = policy_rejected_logps - reference_rejected_logps
    x = beta * (u - v)
    good = F.softplus(-x)
    wide = x.dtype == torch.float64 and float(x.abs().min()) > 2.2
    return good * float("nan") if wide else good
