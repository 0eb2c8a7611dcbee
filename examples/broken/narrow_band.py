"""Fine nearly everywhere: NaN where rho is between 3.1 and 4.4."""

import torch
import torch.nn.functional as F


def banded_loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    correction = torch.sqrt((rho - 3.1) * (rho - 4.4))
    return F.softplus(-beta * rho) + 1e-4 * correction
