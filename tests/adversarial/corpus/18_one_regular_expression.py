"""One match that takes for ever, with the interpreter's lock held."""

import re

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    re.match(r"(a+)+$", "a" * 64 + "b")
    return -F.logsigmoid(beta * rho)
