"""DPO on bounded log-probabilities."""

import torch
import torch.nn.functional as F


def writes_through_detach_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    bounded = policy_chosen_logps.detach()
    bounded.clamp_(min=-100.0)
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return F.softplus(-beta * rho)
