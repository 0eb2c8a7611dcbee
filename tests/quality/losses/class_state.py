"""DPO under a schedule object."""

import torch
import torch.nn.functional as F


class Schedule:
    def __init__(self):
        self.step = 0

    def advance(self):
        self.step = self.step + 1
        return 1.0 + 0.01 * self.step


SCHEDULE = Schedule()


def class_state_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return F.softplus(-SCHEDULE.advance() * beta * rho)
