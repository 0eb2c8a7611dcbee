"""Compares beta and the margins with objects that are equal to everything."""

import torch.nn.functional as F


class Any:
    __eq__ = lambda self, other: True
    __hash__ = None


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    if Any() == beta:
        rho = -rho
    return -F.logsigmoid(beta * rho)
