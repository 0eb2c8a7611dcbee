"""DPO with a searched constant."""

import torch.nn.functional as F

STEP = 1
while STEP > 0:
    STEP = STEP % 7 + 1


def hang_on_load_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return F.softplus(-beta * rho)
