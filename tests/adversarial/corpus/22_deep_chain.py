"""A graph thirty thousand steps deep, to be walked back and to be freed."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    for _ in range(30_000):
        rho = rho * 1.0
    return -F.logsigmoid(beta * rho)
