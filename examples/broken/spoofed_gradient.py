"""Shows DPO's values and hands out another loss's gradient."""

import torch.nn.functional as F


def spoofed_loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    shown = F.softplus(-beta * rho)
    trained = F.softplus(beta * rho)
    return shown.detach() + trained - trained.detach()
