"""DPO with two alternating temperatures."""

import torch
import torch.nn.functional as F


def alternate():
    while True:
        yield 1.0
        yield 0.5


WEIGHTS = alternate()


def alternating_sign_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return F.softplus(-next(WEIGHTS) * beta * rho)
