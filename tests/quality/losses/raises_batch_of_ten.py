"""DPO with learned weights."""

import torch
import torch.nn.functional as F

WEIGHTS = torch.linspace(0.9, 1.1, 10)


def raises_batch_of_ten_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return WEIGHTS * F.softplus(-beta * rho)
