"""DPO with a warm-up of its own."""

import torch
import torch.nn.functional as F

STEP = 0


def screen_global_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    global STEP
    STEP += 1
    warm = min(1.0, 0.5 + STEP / 200)
    return F.softplus(-warm * beta * rho)
