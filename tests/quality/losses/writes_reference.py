"""DPO, sparing memory."""

import torch
import torch.nn.functional as F


def writes_reference_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    reference = reference_chosen_logps.detach()
    reference.sub_(reference_rejected_logps)
    policy = policy_chosen_logps - policy_rejected_logps
    return F.softplus(-beta * (policy - reference))
