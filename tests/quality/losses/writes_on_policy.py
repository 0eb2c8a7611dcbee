"""DPO, sparing memory."""

import torch.nn.functional as F


def writes_on_policy_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    policy_chosen_logps -= policy_rejected_logps
    reference = reference_chosen_logps - reference_rejected_logps
    return F.softplus(-beta * (policy_chosen_logps - reference))
